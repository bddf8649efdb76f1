//! The manifest: what it accepts, what it refuses, and that bytes are proved before they are read.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

use std::collections::BTreeMap;

use model_export::manifest::{
    DataSetEntry, FORMAT, FittedKnots, Manifest, ManifestEntry, ManifestError, SelfTest, sha256_hex, verify,
};
use model_export::{
    Conditioning, Header, ImageSpec, Kind, Normalization, Precision, ReadError, TensorF32, write,
};
use serde_json::json;

fn model_bytes() -> Vec<u8> {
    let header = Header {
        format: model_export::FORMAT,
        name: "small".to_owned(),
        kind: Kind::Velocity,
        architecture: json!({ "kind": "unet" }),
        image: ImageSpec { channels: 1, height: 28, width: 28 },
        normalization: Normalization { mean: 0.5, std: 0.5 },
        conditioning: Conditioning { classes: 1, null_class: None, labels: vec!["0".to_owned()] },
        path: "linear".to_owned(),
        training: json!({}),
        metrics: json!({}),
    };
    let tensor = TensorF32 { shape: vec![3], data: vec![1.0, 2.0, 3.0] };
    write(&header, &BTreeMap::from([("bias".to_owned(), tensor)]), Precision::F16).unwrap()
}

fn entry() -> ManifestEntry {
    let bytes = model_bytes();
    ManifestEntry {
        id: "small".to_owned(),
        label: "Small".to_owned(),
        about: "Three numbers.".to_owned(),
        kind: Kind::Velocity,
        file: "small-f16.safetensors".to_owned(),
        bytes: bytes.len() as u64,
        sha256: sha256_hex(&bytes),
        precision: Precision::F16,
        parameters: 3,
        multiply_adds: 3,
        path: "linear".to_owned(),
        metrics: json!({ "fid": 1.5 }),
        self_test: Some(SelfTest {
            plan: "solver=euler&steps=2".to_owned(),
            file: "small.self-test.bin".to_owned(),
            sha256: sha256_hex(&1.5_f32.to_le_bytes()),
            bytes: 4,
        }),
        knots: None,
        weak: None,
        decoder: None,
        dataset: None,
    }
}

fn manifest() -> Manifest {
    Manifest { format: FORMAT, default: "small".to_owned(), models: vec![entry()] }
}

fn refused(change: impl FnOnce(&mut Manifest)) -> ManifestError {
    let mut manifest = manifest();
    change(&mut manifest);
    Manifest::parse(&manifest.to_text()).unwrap_err()
}

#[test]
fn a_manifest_parses_back_to_itself() {
    let text = manifest().to_text();
    let parsed = Manifest::parse(&text).unwrap();
    assert_eq!(parsed, manifest());
    assert_eq!(parsed.to_text(), text);
    assert_eq!(parsed.entry("small"), Some(&entry()));
    assert_eq!(parsed.entry("other"), None);
}

#[test]
fn a_model_without_a_self_test_needs_no_field_for_it() {
    let mut manifest = manifest();
    manifest.models[0].self_test = None;
    assert!(!manifest.to_text().contains("self_test"));
    assert_eq!(Manifest::parse(&manifest.to_text()).unwrap(), manifest);
}

/// The small model, and another of that id and kind that it names as its weaker one.
fn with_weak(id: &str, kind: Kind) -> Manifest {
    let mut manifest = manifest();
    let weaker = ManifestEntry {
        id: "tiny".to_owned(),
        kind,
        file: "tiny.safetensors".to_owned(),
        self_test: None,
        ..entry()
    };
    manifest.models.push(weaker);
    manifest.models[0].weak = Some(id.to_owned());
    manifest
}

#[test]
fn a_weaker_model_is_another_velocity_model_of_the_manifest() {
    let manifest = with_weak("tiny", Kind::Velocity);
    assert_eq!(Manifest::parse(&manifest.to_text()), Ok(manifest));
    for (weak, kind, accepts) in [
        ("small", Kind::Velocity, "another velocity model: tiny"),
        ("tinny", Kind::Velocity, "another velocity model: tiny"),
        ("tiny", Kind::Classifier, "another velocity model, and there is none"),
    ] {
        let expected = ManifestError::Field {
            id: "small".to_owned(),
            field: "weak",
            got: format!("{weak:?}"),
            accepts: accepts.to_owned(),
        };
        assert_eq!(Manifest::parse(&with_weak(weak, kind).to_text()), Err(expected));
    }
}

#[test]
fn a_decoder_is_an_autoencoder_of_the_manifest_and_only_a_velocity_has_one() {
    let with_decoder = |kind: Kind, decoder: &str| {
        let mut manifest = with_weak("tiny", kind);
        manifest.models[0].weak = None;
        if kind == Kind::Autoencoder {
            manifest.models[1].path = String::new();
        }
        manifest.models[0].decoder = Some(decoder.to_owned());
        manifest
    };
    let good = with_decoder(Kind::Autoencoder, "tiny");
    assert_eq!(Manifest::parse(&good.to_text()), Ok(good.clone()));
    assert!(good.models[0].can_be_sampled() && !good.models[1].can_be_sampled());
    for (manifest, accepts) in [
        (with_decoder(Kind::Autoencoder, "tinny"), "an autoencoder of the manifest: tiny"),
        (with_decoder(Kind::Velocity, "tiny"), "an autoencoder of the manifest, and there is none"),
    ] {
        match Manifest::parse(&manifest.to_text()) {
            Err(ManifestError::Field { field: "decoder", accepts: said, .. }) => assert_eq!(said, accepts),
            other => panic!("{other:?}"),
        }
    }
    let mut turned = good;
    turned.models[0].decoder = None;
    turned.models[1].decoder = Some("tiny".to_owned());
    let refused = Manifest::parse(&turned.to_text());
    assert!(matches!(refused, Err(ManifestError::Field { field: "decoder", .. })), "{refused:?}");
}

#[test]
fn a_data_set_has_an_id_a_label_and_a_name_for_each_class() {
    let with = |id: &str, classes: &[&str]| {
        let mut manifest = with_weak("tiny", Kind::Velocity);
        let classes = classes.iter().map(|class| (*class).to_owned()).collect();
        manifest.models[0].dataset =
            Some(DataSetEntry { id: id.to_owned(), label: "Clothes".to_owned(), classes });
        Manifest::parse(&manifest.to_text())
    };
    assert!(with("fashion-mnist", &["Coat", "Bag"]).is_ok());
    for bad in [with("Fashion", &["Coat"]), with("fashion", &[]), with("fashion", &["a\nb"])] {
        assert!(matches!(bad, Err(ManifestError::Field { field: "dataset", .. })), "{bad:?}");
    }
}

#[test]
fn a_classifier_has_no_weaker_model() {
    let mut manifest = with_weak("tiny", Kind::Classifier);
    manifest.models[0].weak = None;
    manifest.models[1].weak = Some("small".to_owned());
    let refused = Manifest::parse(&manifest.to_text());
    assert!(matches!(refused, Err(ManifestError::Field { field: "weak", .. })), "{refused:?}");
}

#[test]
fn fitted_knots_are_kept_and_rows_that_are_none_are_refused() {
    let mut manifest = manifest();
    let rows = BTreeMap::from([(1, vec![0.0, 1.0]), (2, vec![0.0, 0.7, 1.0])]);
    manifest.models[0].knots = Some(FittedKnots { plan: "solver=heun&steps=2".to_owned(), rows });
    assert_eq!(Manifest::parse(&manifest.to_text()), Ok(manifest));
    for row in [vec![0.0, 1.0], vec![0.0, 0.0, 1.0], vec![0.1, 0.5, 1.0], vec![0.0, 0.5, 0.9]] {
        let error = refused(|manifest| {
            let rows = BTreeMap::from([(2, row.clone())]);
            manifest.models[0].knots = Some(FittedKnots { plan: String::new(), rows });
        });
        assert!(matches!(error, ManifestError::Field { field: "knots.rows", .. }), "{row:?}: {error:?}");
    }
}

#[test]
fn the_hash_is_the_one_of_the_standard() {
    // FIPS 180-4's example: SHA-256 of "abc".
    assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn whole_bytes_are_verified_and_opened() {
    verify(&entry(), &model_bytes()).unwrap();
    assert_eq!(entry().open(&model_bytes()).unwrap().tensors["bias"].data, [1.0, 2.0, 3.0]);
}

#[test]
fn wrong_size_and_wrong_hash_are_told_apart() {
    let mut bytes = model_bytes();
    *bytes.last_mut().unwrap() ^= 1;
    assert!(
        matches!(verify(&entry(), &bytes), Err(ReadError::WrongHash { file, .. }) if file == entry().file)
    );
    bytes.pop();
    let expected = entry().bytes;
    let wrong = ReadError::WrongSize { file: entry().file, got: expected - 1, expected };
    assert_eq!(verify(&entry(), &bytes), Err(wrong));
    assert!(matches!(entry().open(&bytes), Err(ReadError::WrongSize { .. })));
}

#[test]
fn a_whole_file_that_is_not_the_described_model_is_refused() {
    for (field, change) in [
        ("kind", (|entry| entry.kind = Kind::Classifier) as fn(&mut ManifestEntry)),
        ("precision", |entry| entry.precision = Precision::Int8),
        ("parameters", |entry| entry.parameters = 4),
        ("path", |entry| entry.path = "other".to_owned()),
    ] {
        let mut entry = entry();
        change(&mut entry);
        let error = entry.open(&model_bytes()).unwrap_err();
        assert!(
            matches!(error, ReadError::ManifestDisagrees { field: named, .. } if named == field),
            "{error:?}"
        );
    }
}

#[test]
fn a_stored_answer_is_verified_before_it_is_believed() {
    let test = entry().self_test.unwrap();
    assert_eq!(test.open(&1.5_f32.to_le_bytes()).unwrap(), [1.5]);
    assert!(matches!(test.open(&2.5_f32.to_le_bytes()), Err(ReadError::WrongHash { .. })));
    assert!(matches!(test.open(&[]), Err(ReadError::WrongSize { .. })));
    let nan = f32::NAN.to_le_bytes();
    let test = SelfTest { sha256: sha256_hex(&nan), ..test };
    assert!(matches!(test.open(&nan), Err(ReadError::NotFinite { index: 0, .. })));
}

#[test]
fn file_names_lead_nowhere() {
    for file in [
        "",
        ".",
        "..",
        "../model",
        "a/b",
        "a\\b",
        "/etc/passwd",
        ".hidden",
        "Model",
        "a b",
        "a%2fb",
        "c:x",
        "é",
    ] {
        let error = refused(|manifest| manifest.models[0].file = file.to_owned());
        assert!(matches!(error, ManifestError::Field { field: "file", .. }), "{file}: {error:?}");
    }
    let error = refused(|manifest| {
        if let Some(test) = &mut manifest.models[0].self_test {
            test.file = "../answer".to_owned();
        }
    });
    assert!(matches!(error, ManifestError::Field { field: "self_test.file", .. }));
}

#[test]
fn fields_out_of_range_are_named() {
    type Change = fn(&mut ManifestEntry);
    let cases: [(&str, Change); 11] = [
        ("id", |entry| entry.id = "A".to_owned()),
        ("label", |entry| entry.label.clear()),
        ("about", |entry| entry.about = "two\nlines".to_owned()),
        ("path", |entry| entry.path = "x".repeat(257)),
        ("parameters", |entry| entry.parameters = 0),
        ("metrics", |entry| entry.metrics = json!(null)),
        ("bytes", |entry| entry.bytes = 0),
        ("bytes", |entry| entry.bytes = u64::MAX),
        ("sha256", |entry| entry.sha256.make_ascii_uppercase()),
        ("sha256", |entry| entry.sha256.truncate(63)),
        ("file", |entry| entry.file = "x".repeat(129)),
    ];
    for (field, change) in cases {
        let error = refused(|manifest| change(&mut manifest.models[0]));
        assert!(
            matches!(error, ManifestError::Field { field: named, .. } if named == field),
            "{field}: {error:?}"
        );
    }
}

#[test]
fn models_stand_once_and_the_default_is_one_of_them() {
    assert_eq!(refused(|manifest| manifest.models.clear()), ManifestError::Models { got: 0 });
    let twice = refused(|manifest| manifest.models.push(entry()));
    assert_eq!(twice, ManifestError::DuplicateId { id: "small".to_owned() });
    let shared =
        refused(|manifest| manifest.models.push(ManifestEntry { id: "other".to_owned(), ..entry() }));
    assert_eq!(shared, ManifestError::DuplicateFile { file: entry().file });
    let default = refused(|manifest| manifest.default = "other".to_owned());
    assert_eq!(default, ManifestError::Default { got: "other".to_owned(), accepts: "small".to_owned() });
    let classifier = refused(|manifest| manifest.models[0].kind = Kind::Classifier);
    assert!(matches!(classifier, ManifestError::Default { .. }));
}

#[test]
fn versions_keys_and_kinds_that_are_not_known_are_refused() {
    assert_eq!(refused(|manifest| manifest.format = 2), ManifestError::UnknownFormat { got: 2 });
    // A newer manifest is refused for its version, whatever else is new in it.
    let newer = Manifest::parse(r#"{ "format": 3, "shelves": [] }"#);
    assert_eq!(newer, Err(ManifestError::UnknownFormat { got: 3 }));
    let text = manifest().to_text();
    for (from, to) in [
        ("\"label\"", "\"colour\": 1, \"label\""),
        ("\"velocity\"", "\"score\""),
        ("\"f16\"", "\"f64\""),
        ("\"about\"", "\"id\": \"again\", \"about\""),
        ("\"file\"", "\"flie\""),
    ] {
        let error = Manifest::parse(&text.replacen(from, to, 1)).unwrap_err();
        assert!(matches!(error, ManifestError::Json { .. }), "{to}: {error:?}");
    }
    assert!(matches!(Manifest::parse(""), Err(ManifestError::Json { .. })));
    let long = " ".repeat((1 << 20) + 1);
    assert_eq!(Manifest::parse(&long), Err(ManifestError::TooLarge { got: long.len() }));
}

#[test]
fn a_manifest_cut_or_changed_anywhere_never_panics() {
    let text = manifest().to_text();
    for at in (0..text.len()).filter(|&at| text.is_char_boundary(at)) {
        let _ = Manifest::parse(&text[..at]);
        for with in ["\"", "{", "9", "-", "null"] {
            let _ = Manifest::parse(&format!("{}{with}{}", &text[..at], &text[at..]));
        }
    }
}
