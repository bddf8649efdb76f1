//! The element `<flow-digits>`: instruments in other people's documents. `embed.js` defines the element; it calls [`attach`]
//! with the inside of its shadow root, and tells the element's events.
//!
//! All of a document's elements share one engine, and with it one worker and one model.

use crate::address;
use crate::conductor::{Engine, Rank};
use crate::controls::Controls;
use crate::fetch;
use crate::instrument::{self, Setting};
use crate::keepsake::{self, Kind};
use crate::panels::Stage;
use crate::player;
use crate::session::{About, Change, Session, Shared, State, Wish};
use crate::words;
use js_sys::Function;
use leptos::prelude::*;
use protocol::Backend;
use serde_json::json;
use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

thread_local! {
    /// The document's engine, and the owner of its signals, which stays for as long as the document.
    static ENGINE: RefCell<Option<(Rc<Engine>, Owner)>> = const { RefCell::new(None) };
}

/// The document's one engine. The first caller may force a machine.
pub(crate) fn engine(forced: Option<Backend>) -> Rc<Engine> {
    ENGINE.with_borrow_mut(|kept| {
        let (engine, _) = kept.get_or_insert_with(|| {
            let owner = Owner::new_root(None);
            let engine = owner.with(|| {
                let shared = Shared::new();
                player::watch_motion(shared);
                Engine::new(shared, forced)
            });
            (engine, owner)
        });
        engine.clone()
    })
}

/// One attached instrument.
#[wasm_bindgen]
pub struct Attached {
    session: Session,
    /// Ends the instrument when it is dropped.
    mounted: Option<Box<dyn Any>>,
}

/// Puts an instrument into `root`. `base` is where the site's files are, `query` the plan as in an address, `controls` whether
/// the settings are shown. `tell` is called with the name and the details (JSON) of every event.
///
/// # Errors
/// None: what can't be read of the plan is told to the reader, and the default stands in its place.
#[wasm_bindgen]
pub fn attach(root: &JsValue, base: &str, query: &str, controls: &str, tell: Function) -> Attached {
    fetch::set_base(base);
    let asked = address::parse(query);
    let engine = engine(asked.backend);
    let session = Rc::new(RefCell::new(None));
    let (given, controls) = (session.clone(), controls == "all");
    let mounted = leptos::mount::mount_to(root.clone().unchecked_into(), move || {
        let session = Session::new(engine.shared(), asked.plan.clone());
        *given.borrow_mut() = Some(session);
        session.replace_notices(About::Address, asked.faults.iter().map(words::attributes).collect());
        let setting = Setting { names_model: asked.names_model, views: controls, rank: Rank::Seen };
        instrument::begin(&engine, session, &setting, |_, _| {});
        player::follow(session);
        report(session, tell);
        provide_context(session);
        view! {
            <div class="instrument embedded" class:with-controls=controls data-testid="instrument"
                data-state=move || session.state().id()
                data-evaluations=move || session.tally.with(|tally| tally.evaluations)>
                <Stage complete=controls/>
                {controls.then(|| view! { <Controls/> })}
            </div>
        }
    });
    let session = session.borrow_mut().take();
    // `mount_to` has called the function above.
    let session = session
        .unwrap_or_else(|| Session::new(self::engine(None).shared(), flow::plan::SamplePlan::default()));
    Attached { session, mounted: Some(Box::new(mounted)) }
}

/// Tells of what happens: `ready` once, `progress`, `sample` after each run, `error`.
fn report(session: Session, tell: Function) {
    let tell = send_wrapper::SendWrapper::new(tell);
    let say = move |name: &str, details: serde_json::Value| {
        // An error in somebody else's listener is reported by the browser, and is not ours.
        let _ = tell.call2(&JsValue::NULL, &name.into(), &details.to_string().into());
    };
    let ready = StoredValue::new(false);
    let complete = Memo::new(move |_| session.fingerprint());
    Effect::new(move |_| {
        if let Some(failure) = session.failure.get() {
            say("error", json!({ "title": failure.title, "message": failure.text }));
        } else if let Some(loading) = session.loading.get() {
            say("progress", json!({ "loaded": loading.arrived, "total": loading.total }));
        } else if let Some(hash) = complete.get() {
            let tally = session.tally.get_untracked();
            let plan = session.wish.with_untracked(|wish| wish.plan.to_string());
            if tally.end.is_none() {
                return;
            }
            if !ready.get_value() {
                ready.set_value(true);
                say("ready", json!({ "plan": plan }));
            }
            say(
                "sample",
                json!({
                    "plan": plan, "evaluations": tally.evaluations, "evaluationMilliseconds": tally.evaluation_ms,
                    "backend": session.badge.with_untracked(|badge| badge.backend.map(Backend::id)), "pixels": hash,
                }),
            );
        }
    });
}

#[wasm_bindgen]
impl Attached {
    /// Samples another plan; what can't be read of it, or an empty text.
    pub fn set(&self, query: &str) -> String {
        let mut asked = address::parse(query);
        if !asked.names_model {
            let first =
                self.session.catalog.with_untracked(|catalog| catalog.as_ref().map(|c| c.default.clone()));
            asked.plan.model =
                first.unwrap_or_else(|| self.session.wish.with_untracked(|wish| wish.plan.model.clone()));
        }
        let faults: Vec<String> = asked.faults.iter().map(words::attributes).collect();
        self.session.replace_notices(About::Address, faults.clone());
        if self.session.wish.with_untracked(|wish| wish.plan != asked.plan) {
            self.session.wish.set(Wish { plan: asked.plan, change: Some(Change::Made) });
        }
        faults.join(" ")
    }

    /// The plan, as in an address.
    #[wasm_bindgen(getter)]
    pub fn plan(&self) -> String {
        self.session.wish.with_untracked(|wish| wish.plan.to_string())
    }

    /// `loading`, `running`, `done` or `error`.
    #[wasm_bindgen(getter)]
    pub fn state(&self) -> String {
        untrack(|| self.session.state()).id().to_owned()
    }

    /// Where the picture is: 0 noise, 1 data.
    #[wasm_bindgen(getter)]
    pub fn time(&self) -> f64 {
        self.session.playhead.get_untracked()
    }

    /// Puts the picture somewhere on the way; what is not computed yet can't be shown.
    #[wasm_bindgen(setter)]
    pub fn set_time(&self, t: f64) {
        if t.is_finite() {
            self.pause();
            let reached = self.session.film.with_value(crate::film::Film::reached);
            self.session.playhead.set(t.clamp(0.0, reached));
        }
    }

    /// Plays on, or from noise again.
    pub fn play(&self) {
        if !self.session.playing.get_untracked() {
            player::press(self.session);
        }
    }

    /// Stops where it is.
    pub fn pause(&self) {
        self.session.playing.set(false);
    }

    /// Samples the same plan once more, or after a failure.
    pub fn sample(&self) {
        if untrack(|| self.session.state()) == State::Error {
            self.session.retry();
        } else {
            self.session.retries.update(|retries| *retries += 1);
        }
    }

    /// The picture (`image/png`) or the film (`image/gif`) as a blob.
    ///
    /// # Errors
    /// When there is no picture yet, or the type is neither.
    #[wasm_bindgen(js_name = toBlob)]
    pub fn to_blob(&self, kind: &str) -> js_sys::Promise {
        let session = self.session;
        let wanted = match kind {
            "image/png" => Ok(Kind::Picture),
            "image/gif" => Ok(Kind::Film),
            other => Err(format!("toBlob makes image/png or image/gif, not {other:?}")),
        };
        // Nothing of `self` is held meanwhile: the element may go away.
        wasm_bindgen_futures::future_to_promise(async move {
            let made = match wanted {
                Ok(kind) => keepsake::blob(session, kind).await,
                Err(why) => Err(why),
            };
            made.map(JsValue::from).map_err(|why| js_sys::Error::new(&why).into())
        })
    }

    /// Draws anew, after the element's colours have changed.
    pub fn redraw(&self) {
        self.session.appearance.update(|count| *count += 1);
    }

    /// Ends the instrument.
    pub fn detach(&mut self) {
        self.mounted = None;
    }
}
