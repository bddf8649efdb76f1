//! The reader's own digit: turned back into the noise that the flow makes it from, and forward from there as every class; with a part
//! rubbed out and filled in again; and what lies between two noises.

use super::Screen;
use super::board::{Board, Surface, Tool};
use crate::catalog::Catalog;
use crate::conductor::{Conductor, Engine, Errand, Rank, Way};
use crate::near;
use crate::player;
use crate::session::{Session, State};
use crate::words::{self, counted};
use flow::number;
use flow::plan::{Digit, SamplePlan};
use leptos::prelude::*;
use protocol::Start;
use send_wrapper::SendWrapper;
use std::rc::Rc;

/// Backwards: no guidance and no class, so that nothing is read into the drawing.
const BACK: &str = "solver=rk4&schedule=inverse-cubic&steps=12&guidance=1&count=1&digit=any";
/// Forward, as every class.
const FORTH: &str = "solver=rk4&schedule=inverse-cubic&steps=6&guidance=3&count=10&digit=any";
/// Filling in.
const FILL: &str = "solver=heun&schedule=inverse-cubic&steps=10&guidance=2&count=10";
/// Between two seeds.
const BETWEEN: &str = "solver=heun&schedule=inverse-cubic&steps=8&guidance=2&count=12";

/// What is said of results when the board has changed.
const OUTDATED: &str = "The drawing has changed since.";

fn plan(text: &str, model: &str) -> SamplePlan {
    // A test parses them all.
    SamplePlan { model: model.to_owned(), ..text.parse().unwrap_or_default() }
}

/// The model that knows drawings: the first one over pixels that was trained on digits.
fn model(catalog: &Catalog) -> Option<String> {
    let over_pixels = |id: &str| {
        let entry = catalog.entry(id)?;
        let fits = entry.is_evaluated() && entry.data_set().is_digits() && catalog.decoder(entry).is_none();
        fits.then(|| entry.id.clone())
    };
    over_pixels(&catalog.default).or_else(|| catalog.velocities().find_map(|entry| over_pixels(&entry.id)))
}

/// One client of the engine with a session, for runs that are asked for by hand.
#[derive(Clone)]
struct Hand {
    session: Session,
    conductor: SendWrapper<Conductor>,
}

impl Hand {
    fn new(engine: &Rc<Engine>) -> Self {
        let session = Session::new(engine.shared(), SamplePlan::default());
        let conductor = SendWrapper::new(Conductor::new(engine, session, true, false));
        let to_close = conductor.clone();
        on_cleanup(move || to_close.close());
        player::follow(session);
        let retried = conductor.clone();
        Effect::new(move |before: Option<u64>| {
            let retries = session.retries.get();
            if before.is_some_and(|before| before != retries) {
                retried.again();
            }
            retries
        });
        Self { session, conductor }
    }

    fn send(&self, plan: SamplePlan, way: Way, bytes: Vec<u8>) {
        self.session.wish.update(|wish| {
            wish.plan = plan.clone();
            wish.change = None;
        });
        self.session.failure.set(None);
        self.conductor.wish(Errand { plan, way, bytes }, false, Rank::Reader);
    }

    /// `empty` before anything was asked for; then the session's state.
    fn state(&self) -> &'static str {
        if is_idle(self.session) { "empty" } else { self.session.state().id() }
    }

    /// Whether the run that was sent last is done.
    fn is_done(&self) -> bool {
        self.session.filmed.track();
        self.session.film.with_value(|film| film.complete && film.frames.len() > 1)
    }
}

/// The section.
#[component]
pub(crate) fn Own(engine: SendWrapper<Rc<Engine>>) -> impl IntoView {
    let hero = expect_context::<Session>();
    let section = NodeRef::new();
    let is_near = near::watch(section);
    // Soon after the first picture even far away: who comes by keyboard, or searches, comes without scrolling.
    let begun = Memo::new(move |before: Option<&bool>| {
        before == Some(&true)
            || ((is_near.get() || hero.state() == State::Done) && hero.catalog.with(Option::is_some))
    });
    let board = Board::new();
    let engine = StoredValue::new(engine);
    view! {
        <section class="own" aria-labelledby="own-title" data-testid="own" node_ref=section>
            <div class="prose">
                <h2 id="own-title">"Your digit"</h2>
                <p>
                    "The equation runs backwards as well. Start at a picture, go from " <span class="formula">"t = 1"</span> " to "
                    <span class="formula">"t = 0"</span>
                    ", and you arrive at the one noise that the flow would have made it from. Draw a digit and turn it back; then "
                    "let the same noise come forward as every class. What is not the class, slant and width of the stroke, comes along."
                </p>
            </div>
            {move || begun.get().then(|| {
                let engine = engine.get_value();
                view! { <Turn engine=engine.clone() board=board/><Fill engine=engine.clone() board=board/><Between engine=engine/> }
            })}
        </section>
    }
}

/// Buttons that every board has.
#[component]
fn BoardTools(board: Board) -> impl IntoView {
    let hero = expect_context::<Session>();
    let taken = StoredValue::new(0_usize);
    let from_above = move |_| {
        let index = taken.get_value();
        taken.set_value(index + 1);
        let size = crate::easel::SIDE * crate::easel::SIDE;
        let picture = hero.film.with_value(|film| {
            let last = film.frames.last()?;
            let count = (last.pixels.len() / size).max(1);
            last.pixels.chunks_exact(size).nth(index % count).map(<[u8]>::to_vec)
        });
        if let Some(picture) = picture {
            board.take(picture);
        }
    };
    view! {
        <div class="row">
            <button type="button" class="button small" data-testid="board-undo" on:click=move |_| board.undo()>"Undo"</button>
            <button type="button" class="button small" data-testid="board-clear" on:click=move |_| board.clear()>"Clear"</button>
            <button type="button" class="button small" data-testid="board-take" on:click=from_above>"Take one from above"</button>
        </div>
    }
}

/// There and back again, as every class.
#[component]
fn Turn(engine: SendWrapper<Rc<Engine>>, board: Board) -> impl IntoView {
    let hero = expect_context::<Session>();
    let (back, forth) = (Hand::new(&engine), Hand::new(&engine));
    // How far back: what is left of the way keeps that much of the handwriting.
    let at = RwSignal::new(0.0_f64);
    let waits = RwSignal::new(false);
    back.session.label.set_value(Some("The noise that your drawing was turned into"));
    forth.session.label.set_value(Some("Ten digits, one of each class, from the noise of your drawing"));
    let failed = back.session.failure;
    Effect::new(move |_| {
        if failed.with(Option::is_some) {
            waits.set(false);
        }
    });
    let (to_send, turned) = (back.clone(), forth.clone());
    let sent = RwSignal::new(None::<Vec<u8>>);
    let outdated = outdated(board, sent, |board| board.picture());
    let turn = move || {
        let (Some(picture), Some(model)) =
            (untrack(|| board.picture()), hero.catalog.with_untracked(|catalog| model(catalog.as_ref()?)))
        else {
            return;
        };
        waits.set(true);
        sent.set(Some(picture.clone()));
        turned.conductor.rest();
        to_send.send(plan(BACK, &model), Way::Back { at: at.get_untracked() }, picture);
    };
    let (there, again) = (back.clone(), forth.clone());
    Effect::new(move |_| {
        if !there.is_done() || !waits.get_untracked() {
            return;
        }
        waits.set(false);
        let noise = there
            .session
            .states
            .with_value(|states| states.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
        let model = there.session.wish.with_untracked(|wish| wish.plan.model.clone());
        let plan = plan(FORTH, &model);
        let all = noise.repeat(plan.count);
        again.send(plan, Way::Forth(Start::Given { at: at.get_untracked() }), all);
    });
    let turn = StoredValue::new_local(turn);
    let now = move || turn.with_value(|turn| turn());
    let said = move || match (back.session.tally.get().end, forth.session.tally.get().end) {
        _ if outdated.get() => OUTDATED.to_owned(),
        (Some(_), Some(_)) if !waits.get() => format!(
            "{} back, {} forward as ten classes.",
            counted(back.session.tally.with(|tally| tally.evaluations), "evaluation"),
            counted(forth.session.tally.with(|tally| tally.evaluations), "evaluation")
        ),
        _ => String::new(),
    };
    let state = move || match (board.is_empty(), forth.session.state()) {
        (true, _) => "empty",
        (false, state) if !waits.get() => state.id(),
        _ => "running",
    };
    view! {
        <div class="trio" data-testid="turn" data-state=state>
            <div>
                <h3>"You draw"</h3>
                <Surface board=board lifted=now/>
                <BoardTools board=board/>
            </div>
            <div>
                <h3>"Its noise"</h3>
                <Shown session=back.session outdated=outdated/>
                <p class="about">"The way back. Of a digit from above, nothing is left but noise. Paper as flat as a board's is something that "
                    "the model has never seen, so of a drawing you see a trace."</p>
            </div>
            <div>
                <h3>"The same noise as every class"</h3>
                <Shown session=forth.session outdated=outdated/>
                <div class="slider">
                    <div class="head">
                        <label class="name" for="own-at">"Turn back as far as"</label>
                        <output for="own-at">{move || format!("t = {:.2}", at.get())}</output>
                    </div>
                    <input type="range" id="own-at" data-testid="own-at" min="0" max="0.8" step="0.05"
                        prop:value=move || at.get().to_string()
                        on:change=move |event| {
                            if let Some(wanted) = number::parse(&event_target_value(&event)) {
                                at.set(wanted);
                                now();
                            }
                        }/>
                </div>
                <div class="row">
                    <button type="button" class="button main small" data-testid="turn-now" disabled=move || board.is_empty()
                        on:click=move |_| now()>"Turn it back, and forward"</button>
                </div>
            </div>
            <p class="about said" role="status" data-testid="turned">{said}</p>
        </div>
    }
}

/// A part is rubbed out, and the model fills it in.
#[component]
fn Fill(engine: SendWrapper<Rc<Engine>>, board: Board) -> impl IntoView {
    let hero = expect_context::<Session>();
    let hand = Hand::new(&engine);
    let digit = RwSignal::new(Digit::Any);
    let (sent, hand_state) = (hand.clone(), hand.clone());
    let asked = RwSignal::new(None::<Vec<u8>>);
    let outdated = outdated(board, asked, |board| {
        board.picture().map(|picture| picture.into_iter().chain(board.hidden.get()).collect())
    });
    let fill = StoredValue::new_local(move || {
        let hidden = board.hidden.get_untracked();
        let (Some(picture), Some(model)) =
            (untrack(|| board.picture()), hero.catalog.with_untracked(|catalog| model(catalog.as_ref()?)))
        else {
            return;
        };
        let seed = hero.wish.with_untracked(|wish| wish.plan.seed);
        asked.set(Some(picture.iter().chain(&hidden).copied().collect()));
        let known = hidden.iter().map(|pixel| 255 - pixel);
        let bytes = picture.into_iter().chain(known).collect();
        let plan = SamplePlan { digit: digit.get_untracked(), seed, ..plan(FILL, &model) };
        sent.send(plan, Way::Forth(Start::Filled), bytes);
    });
    let now = move || fill.with_value(|fill| fill());
    let nothing_hidden = move || board.hidden.with(|hidden| hidden.iter().all(|pixel| *pixel == 0));
    let tools = [(Tool::Pen, "Pen"), (Tool::Eraser, "Rub out")]
        .map(|(tool, label)| {
            view! {
                <label class="choice">
                    <input type="radio" name="board-tool" value=label prop:checked=move || board.tool.get() == tool
                        on:change=move |_| board.hold(tool)/>
                    <span class="face">{label}</span>
                </label>
            }
        })
        .collect_view();
    let half = crate::easel::SIDE / 2;
    let choose = move |event| {
        digit.set(event_target_value(&event).parse().unwrap_or(Digit::Any));
    };
    let digits = std::iter::once("any".to_owned())
        .chain((0..10).map(|class| class.to_string()))
        .map(|value| {
            let label = if value == "any" { "each class in turn".to_owned() } else { value.clone() };
            view! { <option value=value>{label}</option> }
        })
        .collect_view();
    view! {
        <div class="prose">
            <h3>"Rub a part out"</h3>
            <p>
                "Where you rub out, the model decides. Everywhere else each pixel is kept on its straight line from the noise to your "
                "drawing, " <span class="formula">"(1 − t) x" <sub>"0"</sub> " + t x" <sub>"1"</sub></span>
                ", while the network pushes the rest: what it fills in has to fit what it sees arriving."
            </p>
        </div>
        <div class="trio two" data-testid="fill" data-state=move || hand_state.state()
            data-pixels-hash=move || hand.session.fingerprint()>
            <div>
                <Surface board=board lifted=move || {
                    if board.tool.get_untracked() == Tool::Eraser {
                        now();
                    }
                }/>
                <BoardTools board=board/>
            </div>
            <div>
                <Shown session=hand.session outdated=outdated/>
                <p class="about said" role="status" data-testid="filled">
                    {move || if outdated.get() { OUTDATED.to_owned() } else { hand.session.spoken.get() }}
                </p>
                <div class="row">
                    <fieldset class="choices"><legend class="visually-hidden">"Tool"</legend>{tools}</fieldset>
                    <button type="button" class="button small" data-testid="hide-right" disabled=move || board.is_empty()
                        on:click=move |_| { board.hide(|_, column| column >= half); now(); }>"Without its right half"</button>
                    <button type="button" class="button small" data-testid="hide-lower" disabled=move || board.is_empty()
                        on:click=move |_| { board.hide(|row, _| row >= half); now(); }>"Without its lower half"</button>
                </div>
                <div class="row">
                    <label for="fill-digit">"Fill it in as"</label>
                    <select id="fill-digit" data-testid="fill-digit" on:change=choose>{digits}</select>
                    <button type="button" class="button main small" data-testid="fill-now"
                        disabled=move || board.is_empty() || nothing_hidden() on:click=move |_| now()>"Fill in"</button>
                </div>
            </div>
        </div>
    }
}

/// What lies between two noises.
#[component]
fn Between(engine: SendWrapper<Rc<Engine>>) -> impl IntoView {
    let hero = expect_context::<Session>();
    let hand = Hand::new(&engine);
    let other = RwSignal::new(7_u64);
    let refused = RwSignal::new(None::<String>);
    let (sent, hand_state) = (hand.clone(), hand.clone());
    let near_by = StoredValue::new_local(move || {
        let Some(model) = hero.catalog.with_untracked(|catalog| model(catalog.as_ref()?)) else { return };
        let (seed, digit) = hero.wish.with_untracked(|wish| (wish.plan.seed, wish.plan.digit));
        let plan = SamplePlan { seed, digit, ..plan(BETWEEN, &model) };
        sent.send(plan, Way::Forth(Start::Between { seed: other.get_untracked() }), Vec::new());
    });
    let now = move || near_by.with_value(|go| go());
    view! {
        <div class="prose">
            <h3>"Between two noises"</h3>
            <p>
                "Two seeds are two points on a sphere of noise. Walk from one to the other along the arc, not through the middle, where "
                "noise is too quiet to be noise, and every point on the way is a digit, too."
            </p>
        </div>
        <div class="tools between" data-testid="between" data-state=move || hand_state.state()
            data-pixels-hash=move || hand.session.fingerprint()>
            <Shown session=hand.session outdated=Signal::derive(|| false)/>
            <p class="about said" role="status" data-testid="walked">{move || hand.session.spoken.get()}</p>
            <div class="row">
                <span>"From seed " <strong>{move || hero.wish.with(|wish| wish.plan.seed)}</strong> ", above, to"</span>
                <label class="visually-hidden" for="between-seed">"The other seed"</label>
                <input type="text" id="between-seed" data-testid="between-seed" inputmode="numeric" autocomplete="off"
                    aria-invalid=move || refused.with(Option::is_some).to_string() aria-describedby="between-seed-refused"
                    prop:value=move || other.get().to_string()
                    on:change=move |event| {
                        let typed = event_target_value(&event);
                        match typed.trim().parse() {
                            Ok(seed) => {
                                refused.set(None);
                                other.set(seed);
                            }
                            Err(_) => refused.set(Some(words::seed_refused(&typed, other.get_untracked()))),
                        }
                    }/>
                <button type="button" class="button main small" data-testid="between-now" on:click=move |_| now()>"Walk"</button>
            </div>
            <p class="about" role="status" id="between-seed-refused">{refused}</p>
        </div>
    }
}

/// Whether nothing was asked for yet: that is no loading.
fn is_idle(session: Session) -> bool {
    session.filmed.track();
    session.wish.with(|wish| wish.plan == SamplePlan::default())
        && session.film.with_value(|film| film.frames.is_empty())
        && session.state() == State::Loading
}

/// Whether what was sent is no longer what is on the board.
fn outdated(
    board: Board,
    sent: RwSignal<Option<Vec<u8>>>,
    now: impl Fn(Board) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> Signal<bool> {
    Memo::new(move |_| sent.with(Option::is_some) && now(board) != sent.get()).into()
}

/// A screen of its own session, or the place for it; dimmed while what it shows was made of something else.
#[component]
fn Shown(session: Session, outdated: Signal<bool>) -> impl IntoView {
    provide_context(session);
    let idle = move || is_idle(session);
    let dim = move || (session.stale.get() || outdated.get()).then_some("");
    view! {
        <div class="shown" class:idle=idle data-stale=dim>
            <Screen/>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plans_are_what_they_say() {
        for text in [BACK, FORTH, FILL, BETWEEN] {
            let parsed: SamplePlan = text.parse().unwrap();
            assert_eq!(plan(text, "mnist-unet"), SamplePlan { model: "mnist-unet".to_owned(), ..parsed });
        }
        assert_eq!((plan(BACK, "m").count, plan(FORTH, "m").count), (1, 10));
    }
}
