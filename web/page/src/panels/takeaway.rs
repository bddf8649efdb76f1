//! What can be taken away: a picture, a film, a sheet of all states, a link, two lines for a blog, the model.

use crate::address;
use crate::fetch;
use crate::keepsake::{self, Kind};
use crate::session::{Session, State};
use crate::words::size;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen_futures::JsFuture;

/// How long a button says that it has done its work.
const SAID_MS: u64 = 2_500;

/// The three commands; the README has them with what they do.
const TRAIN: &str = "cargo run --release -p trainer -- data
cargo run --release -p trainer -- train recipes/mnist-unet.toml
cargo run --release -p trainer -- export runs/mnist-unet --default";

/// Buttons for all of it.
#[component]
pub(crate) fn TakeAway() -> impl IntoView {
    let session = expect_context::<Session>();
    let said = RwSignal::new(String::new());
    let say = move |sentence: String| {
        said.set(sentence.clone());
        let again = move || {
            if said.try_get_untracked().as_ref() == Some(&sentence) {
                said.set(String::new());
            }
        };
        set_timeout(again, std::time::Duration::from_millis(SAID_MS));
    };
    let busy = RwSignal::new(false);
    let save = move |kind: Kind| {
        move |_| {
            if busy.get_untracked() {
                return;
            }
            busy.set(true);
            spawn_local(async move {
                let made = keepsake::save(session, kind).await;
                busy.set(false);
                say(match made {
                    Ok((name, bytes)) => format!("Saved {name}, {}.", size(bytes)),
                    Err(why) => format!("That did not work: {why}."),
                });
            });
        }
    };
    let copy = move |what: &'static str, text: fn(Session) -> String| {
        move |_| {
            let text = text(session);
            spawn_local(async move {
                let clipboard = window().navigator().clipboard();
                // Without a secure connection a page has none.
                let copied = !AsRef::<wasm_bindgen::JsValue>::as_ref(&clipboard).is_undefined()
                    && JsFuture::from(clipboard.write_text(&text)).await.is_ok();
                if copied {
                    say(format!("{what} copied."));
                } else {
                    // It stays, so that it can be copied by hand.
                    said.set(format!("Your browser does not let this page copy. Here it is: {text}"));
                }
            });
        }
    };
    let model = session.of_model(|_, entry| Some((fetch::resolve(&entry.url()), entry.bytes)));
    let not_ready = move || session.state() != State::Done || busy.get();
    view! {
        <section class="takeaway" aria-labelledby="takeaway-title" data-testid="takeaway">
            <div class="prose">
                <h2 id="takeaway-title">"Put it on your page"</h2>
                <p>
                    "What is on the instrument above fits in two lines of a blog post, with the same digits for every reader; or take "
                    "them as they are. The pictures are yours."
                </p>
                <pre class="code" data-testid="embed-code" tabindex="0" aria-label="Code to embed the instrument"><code>{move || {
                    session.wish.track();
                    embed_code(session)
                }}</code></pre>
            </div>
            <div class="tools row" role="group" aria-label="Take away">
                <button type="button" class="button main" data-testid="copy-embed" on:click=copy("Embed code", embed_code)>"Copy embed code"</button>
                <button type="button" class="button" data-testid="copy-link" on:click=copy("Link", link)>"Copy link"</button>
                <button type="button" class="button" data-testid="save-png" disabled=not_ready on:click=save(Kind::Picture)>"Picture (PNG)"</button>
                <button type="button" class="button" data-testid="save-gif" disabled=not_ready on:click=save(Kind::Film)>"Film (GIF)"</button>
                <button type="button" class="button" data-testid="save-sprite" disabled=not_ready on:click=save(Kind::Sprite)>"All states (PNG)"</button>
                {move || model.get().map(|(url, bytes)| view! {
                    <a class="button" href=url download="" data-testid="save-model">{format!("Model file ({})", size(bytes))}</a>
                })}
            </div>
            <p class="tools small" role="status" data-testid="taken">{move || said.get()}</p>
            <div class="prose">
                <h3>"Train your own"</h3>
                <p>
                    "Everything here was trained by the same program that you can have. Three commands fetch the digits, train a network, "
                    "and put it where the page finds it:"
                </p>
                <pre class="code" tabindex="0" aria-label="Three commands to train a model"><code>{TRAIN}</code></pre>
            </div>
        </section>
    }
}

/// The address of what is on screen.
fn link(session: Session) -> String {
    fetch::resolve(&session.wish.with_untracked(|wish| address::query(&wish.plan, None)))
}

/// The two lines.
fn embed_code(session: Session) -> String {
    let script = fetch::resolve("embed.js");
    let attributes = session.wish.with_untracked(|wish| address::attributes(&wish.plan));
    format!("<script type=\"module\" src=\"{script}\"></script>\n<flow-digits{attributes}></flow-digits>")
}
