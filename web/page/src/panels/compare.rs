//! Two to four panes from the same noise at equal evaluations, each with its own model, solver, schedule and guidance, and how
//! far each one's digits are from those that many evaluations lead to.

use super::Screen;
use crate::address;
use crate::conductor::{Engine, Rank};
use crate::instrument::{self, Setting};
use crate::lineup::{BUDGETS, Lineup, PANES};
use crate::near;
use crate::panels::reference::{References, distance};
use crate::part::Part;
use crate::player;
use crate::session::{About, Change, Session, State, Wish};
use crate::stories::{STORIES, most_steps};
use crate::words::{self, counted};
use flow::number;
use flow::plan::{Budget, SamplePlan};
use leptos::prelude::*;
use send_wrapper::SendWrapper;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Digits in a pane.
const DIGITS: usize = 4;

/// What is said of a comparison that somebody made.
const OWN_COMPARISON: &str = "A comparison of your own; the address holds it. All panes begin with the same noise, and may spend as much as the others.";

/// The parameter of every form of guidance, and its values that are offered; 1 is no guidance.
const SCALE: &str = "scale";
const SCALES: [f64; 6] = [1.0, 1.5, 2.0, 3.0, 4.0, 6.0];

/// What all panes share.
#[derive(Clone, Copy)]
struct Bench {
    hero: Session,
    budget: RwSignal<usize>,
    playhead: RwSignal<f64>,
    playing: RwSignal<bool>,
    references: References,
    /// What each pane came to, by its session's number; `None` while it does not know.
    ends: RwSignal<BTreeMap<u32, Option<End>>>,
}

/// What a pane came to: its distance, or none where no network was asked.
type End = Option<f64>;

/// The section.
#[component]
pub(crate) fn Compare(engine: SendWrapper<Rc<Engine>>) -> impl IntoView {
    let hero = expect_context::<Session>();
    let section = NodeRef::new();
    let is_near = near::watch(section);
    let began = RwSignal::new(false);
    Effect::new(move |_| {
        if is_near.get() && hero.state() == State::Done {
            began.set(true);
        }
    });
    let (first, is_asked_for) = match Lineup::parse(&address::fragment()) {
        Some(Ok(lineup)) => (lineup, true),
        Some(Err(sentence)) => {
            hero.notice(About::Address, sentence);
            (STORIES[0].lineup(), false)
        }
        None => (STORIES[0].lineup(), false),
    };
    let serial = StoredValue::new(0_u32);
    // A pane's number, and what it chooses: counted, for panes are added by hand, where no owner would end a signal with its pane.
    let numbered = move |plan: SamplePlan| {
        let number = serial.try_update_value(|serial| {
            *serial += 1;
            *serial
        });
        (number.unwrap_or_default(), ArcRwSignal::new(plan))
    };
    let evaluations = first.evaluations;
    let panes = RwSignal::new(first.panes.into_iter().map(numbered).collect::<Vec<_>>());
    let bench = Bench {
        hero,
        budget: RwSignal::new(evaluations),
        playhead: RwSignal::new(1.0),
        playing: RwSignal::new(false),
        references: References::new(engine.clone()),
        ends: RwSignal::new(BTreeMap::new()),
    };
    player::advance(bench.playing, bench.playhead, RwSignal::new(1.0), || (1.0, true));

    let lineup = Memo::new(move |_| {
        let panes = panes.with(|panes| panes.iter().map(|(_, own)| own.get()).collect());
        Lineup { evaluations: bench.budget.get(), panes }
    });
    // The story that is told, whatever is given to each; none, when somebody made another comparison.
    let story = Memo::new(move |_| {
        lineup.with(|lineup| STORIES.iter().position(|story| story.lineup().panes == lineup.panes))
    });
    // The address holds what is on screen; the story that every page begins with needs no word there.
    Effect::new(move |_| {
        let is_first = lineup.with(|lineup| *lineup == STORIES[0].lineup());
        address::put_fragment(&if is_first { String::new() } else { lineup.with(Lineup::fragment) });
    });
    // An address may name a model that is not here; so may the first story, of which nobody need be told.
    Effect::new(move |_| {
        let Some(catalog) = hero.catalog.get() else { return };
        for (_, own) in panes.get_untracked() {
            let id = own.with_untracked(|plan| plan.model.clone());
            let Some(instead) = catalog.entry(&catalog.default).filter(|_| catalog.entry(&id).is_none())
            else {
                continue;
            };
            let known: Vec<&str> = catalog.velocities().map(|entry| entry.id.as_str()).collect();
            if is_asked_for {
                hero.notice(About::Address, words::model_unknown(&id, &instead.label, &known));
            }
            own.update(|plan| plan.model.clone_from(&instead.id));
        }
    });
    let tell = move |index: usize| {
        let Lineup { evaluations, panes: plans } = STORIES[index].lineup();
        bench.budget.set(evaluations);
        panes.set(plans.into_iter().map(numbered).collect());
    };
    let stories = move || {
        let known = hero.catalog.get();
        let possible = STORIES.iter().enumerate().filter(|(_, story)| {
            known.as_ref().is_some_and(|catalog| story.panes.iter().all(|pane| pane.is_known(catalog)))
        });
        possible
            .map(|(index, one)| {
                view! {
                    <label class="choice">
                        <input type="radio" name="story" value=one.id
                            prop:checked=move || story.get() == Some(index) on:change=move |_| tell(index)/>
                        <span class="face">{one.label}</span>
                    </label>
                }
            })
            .collect_view()
    };
    let budget = bench.budget;
    let engine = StoredValue::new(engine);
    // A button that is disabled would lose the focus; one that says so keeps it.
    let full = move || panes.with(|panes| panes.len() >= *PANES.end());
    let ended = Memo::new(move |_| {
        let ends: Option<Vec<End>> = bench.ends.with(|ends| ends.values().copied().collect());
        ends.filter(|ends| ends.len() == panes.with(Vec::len)).map(|ends| ended(&ends)).unwrap_or_default()
    });
    view! {
        <section class="compare" aria-labelledby="compare-title" data-testid="compare" node_ref=section>
            <div class="prose">
                <h2 id="compare-title">"A step costs an evaluation"</h2>
                <p>
                    "Asking the network is what costs time; everything else is nearly free. " <em>"Euler"</em>
                    " asks once a step and walks straight ahead: " <span class="formula">"x ← x + h v(x, t)"</span> ". " <em>"Heun"</em>
                    " walks, asks again where it arrived, and goes by the average of the two: twice the price, but once its steps are "
                    "short, its error shrinks with the square of the step. While they are long it is the worse one; with the "
                    "network above the two change places at 16 evaluations in the mean, and much later for some noise. So the fair question is never which is better at ten steps, but "
                    "which is better for the same number of evaluations. Below, every pane begins with the same noise and may "
                    "spend as much as the others."
                </p>
            </div>
            <div class="tools">
                <fieldset class="choices stories">
                    <legend class="visually-hidden">"A comparison"</legend>
                    {stories}
                </fieldset>
                <p class="about" data-testid="story">{move || story.get().map_or(OWN_COMPARISON, |index| STORIES[index].says)}</p>
                <div class="slider">
                    <div class="head">
                        <label class="name" for="compare-budget">"Evaluations for each"</label>
                        <output for="compare-budget">{move || counted(budget.get(), "evaluation")}</output>
                    </div>
                    <input type="range" id="compare-budget" data-testid="compare-budget" min=BUDGETS.start().to_string()
                        max=BUDGETS.end().to_string() step="1"
                        prop:value=move || budget.get().to_string()
                        on:change=move |event| {
                            if let Ok(wanted) = event_target_value(&event).parse() {
                                budget.set(wanted);
                            }
                        }/>
                </div>
            </div>
            <div class="panes" data-count=move || panes.with(Vec::len)>
                <For each=move || if began.get() { panes.get() } else { Vec::new() } key=|(key, _)| *key let:pane>
                    {
                        let (key, own) = pane;
                        let remove = move || panes.update(|panes| panes.retain(|(other, _)| *other != key));
                        let removable = Signal::derive(move || panes.with(|panes| panes.len() > *PANES.start()));
                        view! { <Pane bench=bench engine=engine own=own.into() remove=remove removable=removable/> }
                    }
                </For>
                {move || (!began.get()).then(|| view! { <p class="about waiting">"Begins when the digits above are done."</p> })}
            </div>
            <div class="tools row">
                <button type="button" class="button" data-testid="compare-play" on:click=move |_| {
                    bench.playhead.set(0.0);
                    bench.playing.set(!hero.still.get_untracked());
                }>"Play all from noise"</button>
                <input type="range" min="0" max="1" step="0.01" aria-label="Time in all panes, from noise to digits"
                    data-testid="compare-timeline"
                    aria-valuetext=move || format!("t = {:.2}", bench.playhead.get())
                    prop:value=move || bench.playhead.get().to_string()
                    on:input=move |event| {
                        if let Some(t) = number::parse(&event_target_value(&event)) {
                            bench.playing.set(false);
                            bench.playhead.set(t);
                        }
                    }/>
                <span class="time">{move || format!("t = {:.2}", bench.playhead.get())}</span>
                <button type="button" class="button" data-testid="compare-add"
                    aria-disabled=move || full().to_string()
                    on:click=move |_| if !full() {
                        panes.update(|panes| {
                            if let Some((_, last)) = panes.last() {
                                panes.push(numbered(last.get_untracked()));
                            }
                        });
                    }>"Add a pane"</button>
            </div>
            <p class="visually-hidden" role="status" data-testid="compare-ended">{ended}</p>
            <p class="prose small">
                "Distance: the root of the mean squared difference of pixels (0 paper, 1 ink) from the digits that the same model makes "
                "of the same noise with 200 evaluations by the midpoint rule, guidance counted once. It tells how exactly the "
                "equation was solved, not how good the digits are."
            </p>
        </section>
    }
}

/// For the live region: what all panes came to.
fn ended(ends: &[End]) -> String {
    let all =
        ends.iter().map(|end| end.map_or_else(|| "no network asked".to_owned(), |far| format!("{far:.4}")));
    let all = all.collect::<Vec<_>>().join(", ");
    let of = if ends.iter().any(Option::is_some) { " from the reference" } else { "" };
    format!("{} done: {all}{of}", counted(ends.len(), "pane"))
}

/// One pane.
#[component]
fn Pane(
    bench: Bench,
    engine: StoredValue<SendWrapper<Rc<Engine>>>,
    /// What the pane chooses; digit, seed and evaluations are everybody's.
    own: RwSignal<SamplePlan>,
    remove: impl Fn() + Copy + Send + Sync + 'static,
    removable: Signal<bool>,
) -> impl IntoView {
    let Bench { hero, budget, playhead, playing, references, ends } = bench;
    let shared = engine.with_value(|engine| engine.shared());
    let plan = Memo::new(move |_| {
        let (digit, seed) = hero.wish.with(|wish| (wish.plan.digit, wish.plan.seed));
        let plan = SamplePlan { digit, seed, count: DIGITS, ..own.get() };
        hero.catalog.with(|catalog| {
            let catalog = catalog.as_ref();
            let knots = catalog.and_then(|catalog| Some(catalog.entry(&plan.model)?.knots.clone()));
            let steps = most_steps(&plan, budget.get(), &knots.unwrap_or_default());
            SamplePlan { budget: Budget::Steps(steps), ..plan }
        })
    });
    let session = Session::new(shared, plan.get_untracked()).following(playhead, playing);
    let setting = Setting { names_model: true, views: false, rank: Rank::Seen };
    engine.with_value(|engine| instrument::begin(engine, session, &setting, |_, _| {}));
    Effect::new(move |before: Option<()>| {
        let plan = plan.get();
        if before.is_some() {
            session.wish.set(Wish { plan, change: None });
        }
    });
    provide_context(session);

    let evaluated = session.of_model(|_, entry| entry.is_evaluated());
    let complete = Memo::new(move |_| {
        session.filmed.track();
        session.film.with_value(|film| film.complete) && session.wish.with(|wish| wish.plan == plan.get())
    });
    let reference = Memo::new(move |_| {
        session.filmed.track();
        (complete.get() && evaluated.get()).then(|| references.of(&plan.get()))
    });
    let far = Memo::new(move |_| {
        session.filmed.track();
        let reference = reference.get()?;
        let far = session.states.with_value(|states| distance(states, &reference.get()?))?;
        Some(far * f64::from(session.std.get_value()))
    });
    Effect::new(move |_| {
        let end = match (complete.get(), evaluated.get()) {
            (true, true) => far.get().map(Some),
            (true, false) => Some(None),
            (false, _) => None,
        };
        ends.update(|ends| {
            ends.insert(session.number, end);
        });
    });
    on_cleanup(move || {
        // Nothing, if the whole section goes away.
        let _ = ends.try_update(|ends| ends.remove(&session.number));
    });
    let said = move || match (evaluated.get(), far.get()) {
        (false, _) => "no network asked".to_owned(),
        (true, Some(far)) => format!("{far:.4} from the reference"),
        (true, None) => "… from the reference".to_owned(),
    };
    let evaluations = move || session.tally.with(|tally| tally.evaluations);
    let spent = move || {
        let evaluations = counted(evaluations(), "evaluation");
        match plan.with(|plan| plan.budget) {
            Budget::Steps(steps) if evaluated.get() => format!("{}, {evaluations}", counted(steps, "step")),
            _ => evaluations,
        }
    };
    let name = move || {
        own.with(|plan| {
            let [solver, schedule] =
                [Part::Solver, Part::Schedule].map(|part| part.choice(plan).entry().label);
            format!("{solver}, {schedule}, model {}", plan.model)
        })
    };

    let parts = [Part::Solver, Part::Schedule, Part::Guidance].map(|part| {
        let id = format!("pane-{}-{}", session.number, part.field());
        let options = part
            .entries()
            .into_iter()
            .filter(|entry| part.is_fair(entry.id))
            .map(|entry| {
                let id = entry.id;
                view! { <option value=id selected=move || own.with(|plan| part.choice(plan).entry().id == id)>{entry.label}</option> }
            })
            .collect_view();
        view! {
            <label for=id.clone()>{part.label()}</label>
            <select id=id data-part=part.field() on:change=move |event| {
                let id = event_target_value(&event);
                own.update(|plan| part.choose(plan, &id));
            }>{options}</select>
        }
    });
    let scale_id = format!("pane-{}-scale", session.number);
    let scale = move || own.with(|plan| Part::Guidance.choice(plan).get(SCALE));
    let scales = SCALES
        .map(|offered| view! { <option value=offered selected=move || scale() == Some(offered)>{offered}</option> })
        .collect_view();
    let model_id = format!("pane-{}-model", session.number);
    let models = move || {
        hero.catalog.with(|catalog| {
            let set = catalog.as_ref().and_then(|catalog| {
                Some(catalog.entry(&own.with_untracked(|plan| plan.model.clone()))?.data_set().id)
            });
            let entries = catalog.iter().flat_map(|catalog| catalog.velocities());
            entries
                .filter(|entry| Some(entry.data_set().id) == set)
                .map(|entry| (entry.id.clone(), entry.label.clone()))
                .collect::<Vec<_>>()
        })
    };
    let options = move || {
        models()
            .into_iter()
            .map(|(id, label)| {
                let value = id.clone();
                view! { <option value=value selected=move || own.with(|plan| plan.model == id)>{label}</option> }
            })
            .collect_view()
    };
    let open = move |_| {
        let plan = plan.get_untracked();
        hero.change(Change::Made, |hero| *hero = SamplePlan { count: hero.count, ..plan });
        hero.focus_screen();
    };
    view! {
        <article class="pane" aria-label=name data-testid="pane" data-state=move || session.state().id()
            data-evaluations=evaluations data-distance=move || far.get()
            data-pixels-hash=move || session.fingerprint()
            data-stale=move || session.stale.get().then_some("")>
            <Screen/>
            <p class="numbers">
                <strong data-testid="spent">{spent}</strong>
                {move || (evaluations() > budget.get()).then_some("one step costs as many")}
                <span data-testid="distance">{said}</span>
            </p>
            <div class="fields">
                <label for=model_id.clone()>"Model"</label>
                <select id=model_id data-part="model" on:change=move |event| {
                    let id = event_target_value(&event);
                    own.update(|plan| plan.model = id);
                }>{options}</select>
                {parts}
                <label for=scale_id.clone()>"Scale"</label>
                <select id=scale_id data-part="scale" on:change=move |event| {
                    if let Some(scale) = number::parse(&event_target_value(&event)) {
                        own.update(|plan| Part::Guidance.bend(plan, SCALE, scale));
                    }
                }>{scales}</select>
            </div>
            <div class="row">
                <button type="button" class="button small" on:click=open>"Open above"</button>
                <Show when=move || removable.get()>
                    <button type="button" class="button small" data-testid="pane-remove" on:click=move |_| {
                        // The button goes away with its pane.
                        hero.focus_in("[data-testid=compare-add]");
                        remove();
                    }>"Remove"</button>
                </Show>
            </div>
        </article>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_panes_came_to_is_one_sentence() {
        assert_eq!(ended(&[Some(0.01944), Some(0.02476)]), "2 panes done: 0.0194, 0.0248 from the reference");
        assert_eq!(ended(&[None, Some(0.5)]), "2 panes done: no network asked, 0.5000 from the reference");
        assert_eq!(ended(&[None, None]), "2 panes done: no network asked, no network asked");
    }
}
