//! The article: a short paragraph and something to touch. Story and manners are the project's page notes.

use crate::address::{self, Writer};
use crate::conductor::{Engine, Rank};
use crate::controls::Controls;
use crate::instrument::{self, Setting};
use crate::panels::{Colophon, Compare, Own, Results, Row, Stage, TakeAway, Tries};
use crate::session::{About, Session, Wish};
use crate::{player, words};
use leptos::prelude::*;
use send_wrapper::SendWrapper;
use std::cell::RefCell;
use std::rc::Rc;

/// The whole page.
#[component]
pub(crate) fn App(engine: SendWrapper<Rc<Engine>>, asked: address::Asked) -> impl IntoView {
    let session = Session::new(engine.shared(), asked.plan.clone());
    session.replace_notices(About::Address, asked.faults.iter().map(words::address).collect());
    provide_context(session);

    let writer = Rc::new(RefCell::new(Writer::default()));
    let setting = Setting { names_model: asked.names_model, views: true, rank: Rank::Reader };
    let backend = asked.backend;
    instrument::begin(&engine, session, &setting, move |plan, change| {
        Writer::write(&writer, plan, backend, change);
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

    let newer = window_event_listener_untyped("update-ready", move |_| {
        session.notice(About::Machine, words::newer_version());
    });
    on_cleanup(move || newer.remove());

    let state = Memo::new(move |_| session.state());
    let hash = move || session.fingerprint();
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
                data-view=move || session.view.get().id()
                data-backend=move || session.badge.with(|badge| badge.backend.map(protocol::Backend::id))
                data-evaluations=move || session.tally.with(|tally| tally.evaluations)
            >
                <Stage/>
                <Controls/>
            </section>

            <Watching/>
            <Compare engine=engine.clone()/>
            <Spending/>
            <Results/>
            <Smaller/>
            <Own engine=engine/>
            <TakeAway/>
            <Colophon/>
        </main>
    }
}

/// What the instrument shows.
#[component]
fn Watching() -> impl IntoView {
    view! {
        <article class="prose">
            <h2>"What you are watching"</h2>
            <p>
                "Every picture of 28 by 28 pixels is a point in a space of 784 dimensions. At "
                <span class="formula">"t = 0"</span>
                " each digit starts as a random point: noise. The network looks at where a point is, and at what time, and "
                "answers with a " <em>"velocity"</em> " " <span class="formula">"v(x, t)"</span>
                ": a direction and a speed. Move a little that way, ask again, and at " <span class="formula">"t = 1"</span>
                " the point has arrived where handwritten digits live. In one line, the whole thing is the equation "
                <span class="formula">"dx/dt = v(x, t)"</span>
                ". The noise depends only on the seed, so the same settings always give the same digits, here and on any "
                "other machine."
            </p>
            <p>
                "How does it know where to push? In training, a noise " <span class="formula">"x" <sub>"0"</sub></span>
                " and a real digit " <span class="formula">"x" <sub>"1"</sub></span>
                " are joined by a straight line, " <span class="formula">"x" <sub>"t"</sub> " = (1 − t) x" <sub>"0"</sub> " + t x" <sub>"1"</sub></span>
                ", and the network is shown a point of it and asked for the line’s direction, "
                <span class="formula">"x" <sub>"1"</sub> " − x" <sub>"0"</sub></span>
                ". Many lines cross at every point, so the best it can answer is their mean: a blur at first, more certain as "
                "the digit shows. That is why the paths bend, and why steps matter."
            </p>
            <p>
                "The line under the picture is that journey. Each tick is a place where the solver stopped to ask; between "
                "two ticks the picture glides straight from one stop to the next. Drag along it, and look at the same run in "
                "other ways: " <em>"Estimate of the end"</em> " goes straight on from here, "
                <span class="formula">"x + (1 − t) v"</span>
                ", and shows a digit long before there is one; " <em>"Velocity"</em>
                " colours each pixel by whether ink comes or goes; " <em>"Arrows"</em>
                " show where the ink would have to be carried from. Velocity here is the one that the step really went by, "
                <span class="formula">"(x′ − x) / (t′ − t)"</span> ", so none of these views asks the network once more."
            </p>
            <h2>"How insistently to ask for a seven"</h2>
            <p>
                "The network can be asked about your digit, or about digits in general. " <em>"Classifier-free guidance"</em>
                " asks both and exaggerates the difference, "
                <span class="formula">"v" <sub>"any"</sub> " + w (v" <sub>"seven"</sub> " − v" <sub>"any"</sub> ")"</span>
                ": plainer digits and less varied ones, at twice the "
                "price. It can be kept to the middle of the journey, where the digit is decided. "
                <em>"Autoguidance"</em> " asks a weaker network instead, and walks away from its mistakes."
            </p>
            <Tries row=Row::Scales/>
        </article>
    }
}

/// Where steps fall.
#[component]
fn Spending() -> impl IntoView {
    view! {
        <article class="prose">
            <h2>"Where to spend them"</h2>
            <p>
                "Steps need not be even. A schedule is a curve " <span class="formula">"t(u)"</span>
                " that says how far along the journey each step gets: where it "
                "is steep, steps are long, and where it is flat the solver looks closely. Choose a curve with the controls of the "
                "instrument, bend it with its sliders, lower the steps until the digits begin to suffer, and see which "
                "curve holds out longest. The one called " <em>"Logit-normal"</em>
                " is slow in one place; drag “where it slows”, and the digits answer. Some solvers can make the choice themselves: "
                "give them a tolerance, and each digit gets steps as long as the tolerance allows, an easy one fewer than a hard "
                "one. And where a model comes with knots that were fitted to it, the schedule " <em>"Optimal"</em> " puts the steps there."
            </p>
            <Tries row=Row::Schedules/>
            <p>
                "One thing to look for: take Heun on the " <em>"even"</em> " schedule, and a faint grain stays in the paper. "
                "Heun's very last look is at " <span class="formula">"t = 1"</span> ", where no noise is left to see, so "
                "nothing tells the network which way the rest of it should go, and half of the last step's noise remains. A "
                "schedule that ends in a short step leaves next to none; so does Midpoint, which never looks there."
            </p>
        </article>
    }
}

/// Flows over latents.
#[component]
fn Smaller() -> impl IntoView {
    view! {
        <article class="prose">
            <h2>"Moving less"</h2>
            <p>
                "A picture is 784 numbers, but handwriting has far fewer ways to differ. An " <em>"autoencoder"</em>
                " learns to fold a digit into 24 numbers, its latents, and to unfold them again. The models called "
                <em>"latent flows"</em> " move those instead of pixels. An answer takes the small one a 350th of the "
                "multiplications that one about pixels takes, the base one a fiftieth, the large one a ninth; unfolding comes on top, "
                "once for each picture that is shown. (The model with VQ in its name keeps more numbers of each digit, and saves only "
                "two thirds.) What you see on the way is what the decoder makes of latents that are still half noise, so there is no grain, only digits that have not "
                "made up their minds. The model " <em>"VAE, Gaussian"</em> " leaves the flow out and unfolds the noise itself: "
                "one of the comparisons above puts them side by side."
            </p>
            <Tries row=Row::Models/>
        </article>
    }
}
