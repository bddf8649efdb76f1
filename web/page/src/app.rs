//! The article: a short paragraph and something to touch. Story and manners are the project's page notes.

use crate::address::{self, Writer};
use crate::conductor::Conductor;
use crate::controls::Controls;
use crate::panels::{Badge, Colophon, Notices, Results, Screen, Timeline};
use crate::session::{About, Change, Session, Wish};
use crate::settle::settled;
use crate::{player, words};
use flow::plan::SamplePlan;
use leptos::prelude::*;
use std::cell::RefCell;

/// The whole page.
#[component]
pub(crate) fn App() -> impl IntoView {
    let asked = address::read();
    let session = Session::new(asked.plan);
    session.replace_notices(About::Address, asked.faults.iter().map(words::address).collect());
    let conductor = Conductor::new(session, asked.backend, asked.names_model);
    provide_context(session);

    let writer = RefCell::new(Writer::default());
    let told = StoredValue::new(Vec::new());
    Effect::new(move |before: Option<Option<(SamplePlan, u64)>>| {
        let Wish { plan, change } = session.wish.get();
        let retries = session.retries.get();
        let before = before.flatten();
        // What the model can't do is not asked for. While the models are not known, the conductor looks after that.
        let possible =
            session.catalog.with_untracked(|catalog| catalog.as_ref().map(|catalog| settled(&plan, catalog)));
        if let Some((possible, why)) = possible.filter(|(possible, _)| *possible != plan) {
            told.set_value(why);
            session.wish.set(Wish { plan: possible, change });
            return before;
        }
        writer.borrow_mut().write(&plan, asked.backend, change);
        // A gesture that ends where it was asks for nothing new.
        let wished = (plan, retries);
        if before.as_ref() != Some(&wished) {
            conductor.wish(wished.0.clone(), change.is_some_and(Change::is_passing));
        }
        // After the wish: it ends what was told of the one before.
        for sentence in told.try_update_value(std::mem::take).unwrap_or_default() {
            session.notice(About::Run, sentence);
        }
        Some(wished)
    });
    player::follow(session);
    let back_and_forward = window_event_listener(leptos::ev::popstate, move |_| {
        let mut asked = address::read();
        session.replace_notices(About::Address, asked.faults.iter().map(words::address).collect());
        if !asked.names_model {
            asked.plan.model = session.wish.with_untracked(|wish| wish.plan.model.clone());
        }
        session.wish.set(Wish { plan: asked.plan, change: None });
    });
    on_cleanup(move || back_and_forward.remove());

    let state = Memo::new(move |_| session.state());
    let hash = move || {
        session.filmed.track();
        session.film.with_value(|film| film.complete.then(|| film.hash()))
    };
    view! {
        <main>
            <header class="prose">
                <h1>"Noise, pushed gently, becomes a seven"</h1>
                <p class="lead">
                    "A small network has learned which way to push each pixel. Follow its pushes from noise, and "
                    "handwriting forms: here, in your browser, as you watch."
                </p>
            </header>

            <section
                class="instrument"
                aria-label="Instrument: digits forming from noise"
                data-testid="instrument"
                data-state=move || state.get().id()
                data-pixels-hash=hash
                data-stale=move || session.stale.get().then_some("")
                data-backend=move || session.badge.with(|badge| badge.backend.map(protocol::Backend::id))
                data-evaluations=move || session.tally.with(|tally| tally.evaluations)
            >
                <div class="stage">
                    <Screen/>
                    <Timeline/>
                    <Badge/>
                    <Notices/>
                </div>
                <Controls/>
            </section>
            <p class="visually-hidden" role="status" aria-live="polite" data-testid="status">
                {move || session.spoken.get()}
            </p>

            <Story/>
            <Results/>
            <Colophon/>
        </main>
    }
}

/// The paragraphs below the instrument.
#[component]
fn Story() -> impl IntoView {
    view! {
        <article class="prose">
            <h2>"What you are watching"</h2>
            <p>
                "Every picture of 28 by 28 pixels is a point in a space of 784 dimensions. At "
                <span class="formula">"t = 0"</span>
                " each digit starts as a random point: noise. The network looks at where a point is, and at what time, and "
                "answers with a " <em>"velocity"</em> ": a direction and a speed. Move a little that way, ask again, and at "
                <span class="formula">"t = 1"</span>
                " the point has arrived where handwritten digits live. The noise depends only on the seed, so the same "
                "settings always give the same digits, here and on any other machine."
            </p>
            <p>
                "The line under the picture is that journey. Each tick is a place where the solver stopped to ask; between "
                "two ticks the picture glides straight from one stop to the next. Drag along it."
            </p>

            <h2>"A step costs an evaluation"</h2>
            <p>
                "Asking the network is what costs time; everything else is nearly free. " <em>"Euler"</em>
                " asks once a step and walks straight ahead until the next. " <em>"Heun"</em>
                " walks, asks again where it arrived, and goes by the average: twice the price, but its error shrinks with "
                "the square of the step. Higher orders go on in that way. Others remember what they saw in the steps before, "
                "ask once a step, and bend with the curve all the same. So the fair question is not which solver is "
                "better at ten steps, but which is better for the same number of evaluations. The count below the picture "
                "is the true one, with everything that guidance asks."
            </p>

            <h2>"Where to spend them"</h2>
            <p>
                "Steps need not be even. A schedule is a curve that says how far along the journey each step gets: where it "
                "is steep, steps are long, and where it is flat the solver looks closely. Choose a curve with the controls, "
                "bend it with its sliders, lower the steps until the digits begin to suffer, and see which "
                "curve holds out longest. Some solvers can make that choice themselves: give them a "
                "tolerance, and each digit gets steps as long as the tolerance allows, an easy one fewer than a hard one. And "
                "where a model comes with knots that were fitted to it, the schedule " <em>"Optimal"</em> " puts the steps there."
            </p>
            <p>
                "One thing to look for: take Heun on the " <em>"even"</em> " schedule, and a faint grain stays in the paper. "
                "Heun's very last look is at " <span class="formula">"t = 1"</span> ", where no noise is left to see, so "
                "nothing tells the network which way the rest of it should go, and half of the last step's noise remains. A "
                "schedule that ends in a short step leaves next to none; so does Midpoint, which never looks there."
            </p>

            <h2>"Moving less"</h2>
            <p>
                "A picture is 784 numbers, but handwriting has far fewer ways to differ. An " <em>"autoencoder"</em>
                " learns to fold a digit into 24 numbers, its latents, and to unfold them again. The models called "
                <em>"latent flows"</em> " move those instead of pixels, at a fiftieth of the work; what you see on the way is "
                "what the decoder makes of latents that are still half noise, so there is no grain, only digits that have not "
                "made up their minds. The model " <em>"VAE, Gaussian"</em> " leaves the flow out and unfolds the noise itself: "
                "choose it, with the same seed, to see what the flow is for."
            </p>

            <h2>"How insistently to ask for a seven"</h2>
            <p>
                "The network can be asked about your digit, or about digits in general. " <em>"Classifier-free guidance"</em>
                " asks both and exaggerates the difference: plainer digits and less varied ones, at twice the "
                "price. It can be kept to the middle of the journey, where the digit is decided. "
                <em>"Autoguidance"</em> " asks a weaker network instead, and walks away from its mistakes."
            </p>
        </article>
    }
}
