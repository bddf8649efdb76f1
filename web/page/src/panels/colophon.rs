//! The foot of the article: what was downloaded, where the data comes from, what leaves the browser (nothing), what else there is.

use crate::session::Session;
use crate::words::size;
use leptos::prelude::*;

/// The colophon.
#[component]
pub(crate) fn Colophon() -> impl IntoView {
    let session = expect_context::<Session>();
    let set = session.data_set();
    let model = move || {
        let id = session.wish.with(|wish| wish.plan.model.clone());
        let (entry, decoder) = session.catalog.with(|catalog| {
            let catalog = catalog.as_ref()?;
            let entry = catalog.entry(&id)?.clone();
            let decoder = catalog.decoder(&entry).cloned();
            Some((entry, decoder))
        })?;
        let what = set.with(|set| set.noun());
        let size_of = |weights: u64, bytes: u64| {
            format!("{} thousand weights in {}", (weights + 500) / 1000, size(bytes))
        };
        let work = millions(entry.multiply_adds);
        let own = size_of(entry.parameters, entry.bytes);
        Some(match decoder {
            _ if !entry.is_evaluated() => format!(
                "“{}” is a decoder of {own}; it makes a {what} of a random draw in {work} multiplications, once.",
                entry.label
            ),
            None => format!(
                "The network “{}” has {own}; one answer about one {what} takes it {work} multiplications.",
                entry.label
            ),
            Some(decoder) => format!(
                "The network “{}” has {own}; one answer takes it {work} multiplications. What it moves are the latents of “{}”, \
                 whose decoder of {} makes a {what} of them in {}.",
                entry.label,
                decoder.label,
                size_of(decoder.parameters, decoder.bytes),
                millions(decoder.multiply_adds)
            ),
        })
    };
    let downloaded = move || match session.transferred.get() {
        0 => "What this page needed came from your browser's cache.".to_owned(),
        bytes => format!("So far this page has moved {} over the network.", size(bytes)),
    };
    view! {
        <footer class="footer">
            <p>{model}" "<span data-testid="transferred">{downloaded}</span>
                " Nothing leaves your browser: no picture, no setting, no measurement."</p>
            <p>
                "Evaluations are counted where the network is called; milliseconds are the mean over the run above, "
                "measured on this device, for all its digits at once."
            </p>
            <p>
                "The digits were learned from MNIST, 60,000 handwritten digits, by Yann LeCun, Corinna Cortes and Christopher J. C. "
                "Burges, made available under "
                <a href="https://creativecommons.org/licenses/by-sa/3.0/">"CC BY-SA 3.0"</a>
                ", and the clothes from Fashion-MNIST by Han Xiao, Kashif Rasul and Roland Vollgraf (MIT licence). What is drawn "
                "here is new: nobody wrote these digits."
            </p>
            <p>
                "Elsewhere: " <a href="blog.html">"an example of a blog post"</a> " with three of these instruments in it, and "
                <a href="embed.html">"the instrument alone"</a> ", for a frame. The source is one repository of Rust; how to embed is "
                "in its file docs/embedding.md, and every figure of the study in its folder docs/results."
            </p>
        </footer>
    }
}

/// A number of multiplications: "27 million", "0.2 million".
fn millions(count: u64) -> String {
    let millions = count as f64 / 1e6;
    if millions >= 9.5 { format!("{millions:.0} million") } else { format!("{millions:.1} million") }
}
