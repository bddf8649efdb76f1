//! Models of other kinds on the page: over latents, without a network at all, and of another data set.

use super::{copied, counted};
use cross_tests::browser::{Tab, named};
use model_export::manifest::{DataSetEntry, Manifest};

#[test]
fn a_latent_flow_brings_its_decoder_and_the_decoder_alone_evaluates_nothing() {
    let Some((site, program)) = named("a_latent_flow") else { return };
    let mut tab = Tab::new(&program, &site, &[]);
    tab.reduce_motion();
    tab.open("?backend=cpu&count=4&solver=euler&steps=6&guidance=1&seed=7&model=latent-base");
    let flow = tab.picture("model=latent-base");
    assert_eq!(counted(&mut tab), 6);
    let fetched = |tab: &mut Tab, name: &str| tab.requested().iter().filter(|url| url.contains(name)).count();
    assert_eq!(
        (fetched(&mut tab, "mnist-vae.safetensors"), fetched(&mut tab, "mnist-unet.safetensors")),
        (1, 0)
    );
    assert!(tab.eval("document.querySelector('.footer').innerText").to_string().contains("latents of"));

    // The same noise, decoded as it is: no network is asked, and the decoder is here already.
    tab.eval("(select => { select.value = 'mnist-vae'; select.dispatchEvent(new Event('change', { bubbles: true })) })(document.getElementById('model'))");
    let drawn = tab.picture("model=mnist-vae");
    assert_ne!(drawn, flow);
    assert_eq!(counted(&mut tab), 0);
    assert!(tab.text("nothing-evaluated").contains("only the seed"), "{:?}", tab.text("nothing-evaluated"));
    assert_eq!(fetched(&mut tab, "mnist-vae.safetensors"), 1);
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn a_damaged_decoder_is_refused_by_name() {
    let Some((site, program)) = named("a_damaged_decoder") else { return };
    let site = copied(&site);
    let file = site.path().join("models").join("mnist-vae.safetensors");
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.reduce_motion();
    tab.open("?backend=cpu&count=1&steps=2&guidance=1&model=latent-base");
    tab.wait_state("error");
    let said = tab.text("error");
    assert!(said.contains("VAE") && said.contains("damaged"), "{said}");
}

#[test]
fn another_data_set_brings_its_own_models_and_names() {
    let Some((site, program)) = named("another_data_set") else { return };
    let site = copied(&site);
    let place = site.path().join("models").join("manifest.json");
    let mut manifest = Manifest::parse(&std::fs::read_to_string(&place).unwrap()).unwrap();
    let default = manifest.default.clone();
    manifest.models.retain(|entry| entry.id == default || entry.id == "pair-uniform");
    let names =
        ["T-shirt", "Trousers", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot"];
    for entry in &mut manifest.models {
        entry.weak = None;
        if entry.id != default {
            entry.dataset = Some(DataSetEntry {
                id: "clothes".to_owned(),
                label: "Clothes".to_owned(),
                classes: names.map(str::to_owned).to_vec(),
            });
        }
    }
    std::fs::write(place, manifest.to_text()).unwrap();
    super::seal(site.path());
    let mut tab = Tab::new(&program, site.path(), &[]);
    tab.reduce_motion();
    tab.open("?backend=cpu&count=1&steps=2&guidance=1&digit=7");
    let digits = tab.picture(&format!("model={default}"));
    assert!(tab.text("digit").starts_with("Digit"), "{:?}", tab.text("digit"));
    tab.eval("document.querySelector('input[name=dataset][value=clothes]').click()");
    let clothes = tab.picture("model=pair-uniform");
    assert_ne!(digits, clothes);
    let said = tab.text("digit");
    assert!(said.starts_with("Kind") && said.contains("Sneaker"), "{said}");
    let label = tab.eval("document.querySelector('[data-testid=digits]').getAttribute('aria-label')");
    assert_eq!(label, "One picture: Sneaker, formed from noise");
    assert_eq!(tab.eval("document.querySelectorAll('#model option').length"), 1);
    // Back at the digits, with the class that was chosen.
    tab.eval("document.querySelector('input[name=dataset][value=mnist]').click()");
    assert_eq!(tab.picture(&format!("model={default}")), digits);
    assert_eq!(tab.complaints(), Vec::<String>::new());
}
