//! The study's chart: what each plan's digits were worth. A curve is chosen, a point is touched, and its digits form above.
//!
//! All curves of a part are drawn faintly, the chosen one in the accent's colour with its numbers in a table below: that is
//! also the way for whoever does not see the chart. The figures are fetched after the first digits, if the site has any.

use crate::fetch::{self, Source};
use crate::session::{Change, Session, State};
use crate::study::{Curve, Part, Point, Study};
use crate::words::{self, figure};
use flow::plan::SamplePlan;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// Width and height of the drawing, in its own units; it is stretched to the space there is.
const SIZE: (f64, f64) = (1000.0, 600.0);

/// More places than this would not fit on a phone.
const MOST_PLACES: usize = 8;

/// What is drawn upwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Measure {
    Fid,
    Accuracy,
}

impl Measure {
    fn label(self) -> &'static str {
        match self {
            Self::Fid => "Distance from real digits (FID)",
            Self::Accuracy => "Read as asked",
        }
    }

    fn of(self, point: &Point) -> f64 {
        match self {
            Self::Fid => point.fid[0],
            Self::Accuracy => point.accuracy[0],
        }
    }

    fn interval(self, point: &Point) -> (f64, f64) {
        let [_, low, high] = if self == Self::Fid { point.fid } else { point.accuracy };
        (low, high)
    }

    /// A round value on the axis.
    fn tick(self, value: f64) -> String {
        match self {
            Self::Fid => rounded(value),
            Self::Accuracy => format!("{}%", rounded(100.0 * value)),
        }
    }

    fn said(self, value: f64) -> String {
        match self {
            Self::Fid => figure(value),
            Self::Accuracy => format!("{:.1}%", 100.0 * value),
        }
    }
}

/// How near a finger has to come to a point to mean it, in CSS pixels.
const ON_IT: f64 = 14.0;

/// From values to places between 0 and 1, linear or by ratios.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Scale {
    fn over(values: impl Iterator<Item = f64> + Clone, logarithmic: bool) -> Self {
        let (low, high) =
            (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max));
        if low < high {
            Self { low, high, logarithmic: logarithmic && low > 0.0 }
        } else {
            Self { low: low - 0.5, high: high + 0.5, logarithmic: false }
        }
    }

    fn place(self, value: f64) -> f64 {
        let along = |value: f64| if self.logarithmic { value.ln() } else { value };
        (along(value) - along(self.low)) / (along(self.high) - along(self.low))
    }

    /// Round values inside, a handful.
    fn ticks(self) -> Vec<f64> {
        if self.logarithmic {
            let decades = (self.low.log10().floor() as i32)..=(self.high.log10().ceil() as i32);
            let of = |digits: &'static [f64]| -> Vec<f64> {
                let all =
                    decades.clone().flat_map(|decade| digits.iter().map(move |d| d * 10_f64.powi(decade)));
                all.filter(|tick| *tick >= self.low * 0.999 && *tick <= self.high * 1.001).collect()
            };
            let few = of(&[1.0, 2.0, 5.0]);
            return if few.len() < 3 { of(&[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0]) } else { few };
        }
        let rough = (self.high - self.low) / 4.0;
        let unit = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * unit).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last).map(|i| i as f64 * step).collect()
    }
}

/// The chart, its numbers and the claims; nothing while the site has no figures.
#[component]
pub(crate) fn Results() -> impl IntoView {
    let session = expect_context::<Session>();
    let study = RwSignal::new(None::<Study>);
    let asked = StoredValue::new(false);
    // How often a reader has asked for them once more.
    let tries = RwSignal::new(0_u32);
    let ready = Memo::new(move |_| session.state() == State::Done);
    let missing = RwSignal::new(None::<String>);
    Effect::new(move |_| {
        let Some(url) = session.results.get().filter(|_| ready.get() && !asked.get_value()) else { return };
        asked.set_value(true);
        let source = if tries.get_untracked() == 0 { Source::Usual } else { Source::Server };
        tries.track();
        spawn_local(async move {
            match fetch::text(&url, source).await {
                Ok(text) => match Study::parse(&text) {
                    Ok(read) => {
                        let labels = session.catalog.with_untracked(|catalog| {
                            let models = catalog.iter().flat_map(|catalog| catalog.velocities());
                            models.map(|entry| (entry.id.clone(), entry.label.clone())).collect()
                        });
                        study.set(Some(read.with_labels(labels)));
                    }
                    Err(error) => {
                        leptos::logging::warn!("{url}: {error}");
                        missing.set(Some(words::study_unreadable(&url)));
                    }
                },
                Err(error) => {
                    leptos::logging::warn!("{error:?}");
                    missing.set(Some(words::study_missing(&error)));
                }
            }
            session.transferred.set(fetch::transferred());
        });
    });
    let again = move |_| {
        missing.set(None);
        asked.set_value(false);
        tries.update(|count| *count += 1);
    };
    view! {
        {move || study.get().map(|study| view! { <Found study=study/> })}
        {move || missing.get().map(|sentence| view! {
            <p class="prose" role="status" data-testid="study-missing">
                {sentence}" "<button type="button" on:click=again data-testid="study-again">"Try again"</button>
            </p>
        })}
    }
}

#[component]
fn Found(study: Study) -> impl IntoView {
    let part = RwSignal::new(0_usize);
    let study = StoredValue::new(study);
    let parts = study.with_value(|study| {
        let options = study.parts.iter().enumerate();
        options.map(|(i, part)| view! { <option value=i>{part.title.clone()}</option> }).collect_view()
    });
    let choose = move |event| part.set(event_target_value(&event).parse().unwrap_or(0));
    let chart = move || {
        let index = part.get();
        study.with_value(|study| {
            let part = study.parts.get(index)?.clone();
            let curves = study.curves(&part);
            (!curves.is_empty()).then(|| view! { <Chart part=part curves=curves/> })
        })
    };
    let judged = study.with_value(|study| {
        format!(
            "Judged by {} against {}. Bars and ranges are 95% intervals; the noises are the same under every plan.",
            study.extractor, study.reference
        )
    });
    let claims = study.with_value(|study| study.claims.clone());
    let claims = claims
        .into_iter()
        .map(|claim| {
            let counts = claim.counts();
            view! {
                <div class="claim">
                    <dt>{claim.says}" "<cite>{claim.source}</cite></dt>
                    <dd><strong>{claim.conclusion}</strong>" ("{counts}")"</dd>
                </div>
            }
        })
        .collect_view();
    view! {
        <section class="results" aria-labelledby="results-title" data-testid="results">
            <div class="prose">
                <h2 id="results-title">"How good is it, really"</h2>
                <p>
                    "Hundreds of digits under every plan, from the same noises, judged by a classifier that never saw the "
                    "network. Choose a curve, touch a point, and its digits form above."
                </p>
            </div>
            <div class="tools">
                <label class="name" for="study-part">"Comparison"</label>
                <div class="field"><select id="study-part" data-testid="study-part" on:change=choose>{parts}</select></div>
                {chart}
                <p class="about">{judged}</p>
                <details class="claims" data-testid="claims">
                    <summary>"What the literature says, and what was measured here"</summary>
                    <dl>{claims}</dl>
                </details>
            </div>
        </section>
    }
}

#[component]
fn Chart(part: Part, curves: Vec<Curve>) -> impl IntoView {
    let session = expect_context::<Session>();
    let measure = RwSignal::new(Measure::Fid);
    let chosen = RwSignal::new(0_usize);
    let touched = RwSignal::new(None::<usize>);
    let labels: Vec<String> = curves.iter().map(|curve| curve.label.clone()).collect();
    let (axis, logarithmic) = (part.axis_label().to_owned(), part.axis_is_logarithmic());
    let across =
        Scale::over(curves.iter().flat_map(|curve| &curve.points).map(|point| point.at), logarithmic);
    let ticks_across = few_places(&curves).unwrap_or_else(|| across.ticks());
    let curves = StoredValue::new(curves);
    let up = Memo::new(move |_| {
        let measure = measure.get();
        curves.with_value(|curves| {
            let values = curves.iter().flat_map(|curve| &curve.points).map(|point| measure.of(point));
            Scale::over(values, measure == Measure::Fid)
        })
    });
    let place = move |point: &Point| (across.place(point.at), 1.0 - up.get().place(measure.get().of(point)));
    let line = move |curve: &Curve| {
        let places = curve.points.iter().map(|point| {
            let (x, y) = place(point);
            format!("{:.1} {:.1}", x * SIZE.0, y * SIZE.1)
        });
        format!("M{}", places.collect::<Vec<_>>().join("L"))
    };
    let all = move || curves.with_value(|curves| curves.iter().map(line).collect::<String>());
    let one = move || curves.with_value(|curves| curves.get(chosen.get()).map(line));
    // A place on a scale is cut where the scale ends, and so is an interval.
    let bars = move || {
        let bar = |point: &Point| {
            let (low, high) = measure.get().interval(point);
            let [low, high] = [low, high]
                .map(|value| (1.0 - up.get().place(value.max(f64::MIN_POSITIVE))).clamp(0.0, 1.0) * SIZE.1);
            format!("M{:.1} {low:.1}V{high:.1}", across.place(point.at) * SIZE.0)
        };
        curves.with_value(|curves| {
            curves.get(chosen.get()).map(|curve| curve.points.iter().map(bar).collect::<String>())
        })
    };
    let percent = |share: f64| format!("{:.2}%", 100.0 * share);
    let dots = move || {
        let points = curves.with_value(|curves| curves.get(chosen.get()).map(|curve| curve.points.clone()));
        let dots = points.unwrap_or_default().into_iter().enumerate();
        dots.map(|(i, point)| {
            let (x, y) = place(&point);
            view! { <span class="dot" class:touched=move || touched.get() == Some(i) style:left=percent(x) style:top=percent(y)></span> }
        })
        .collect_view()
    };
    let rows = move || {
        let ticks = up.get().ticks().into_iter();
        let text = move |tick| measure.get().tick(tick);
        ticks
            .map(|tick| view! { <span class="tick row" style:top=percent(1.0 - up.get().place(tick))>{text(tick)}</span> })
            .collect_view()
    };
    let columns = ticks_across
        .into_iter()
        .map(|tick| view! { <span class="tick column" style:left=percent(across.place(tick))>{rounded(tick)}</span> })
        .collect_view();
    let options = labels
        .into_iter()
        .enumerate()
        .map(|(i, label)| view! { <option value=i prop:selected=move || chosen.get() == i>{label}</option> })
        .collect_view();
    let choose = move |event| {
        touched.set(None);
        chosen.set(event_target_value(&event).parse().unwrap_or(0));
    };
    // The point that is nearest to the finger: its plan is put on screen, if the finger is on it, and else its curve is chosen. Where
    // curves meet, the chosen one's point is meant.
    let touch = move |event: leptos::ev::MouseEvent| {
        let Some(area) = event.current_target() else { return };
        let area = wasm_bindgen::JsCast::unchecked_into::<web_sys::Element>(area).get_bounding_client_rect();
        let (x, y) = (f64::from(event.client_x()) - area.left(), f64::from(event.client_y()) - area.top());
        let distance = |point: &Point| {
            let (u, v) = place(point);
            (u * area.width() - x).hypot(v * area.height() - y)
        };
        let nearest = curves.with_value(|curves| {
            let all = curves.iter().enumerate().flat_map(|(i, curve)| {
                curve.points.iter().enumerate().map(move |(j, point)| (i, j, distance(point)))
            });
            let own = all.clone().filter(|(i, _, far)| *i == chosen.get_untracked() && *far <= ON_IT);
            own.min_by(|a, b| a.2.total_cmp(&b.2)).or_else(|| all.min_by(|a, b| a.2.total_cmp(&b.2)))
        });
        let Some((i, j, far)) = nearest else { return };
        chosen.set(i);
        touched.set(Some(j));
        let plan = curves.with_value(|curves| Some(curves.get(i)?.points.get(j)?.plan.clone()));
        if let Some(plan) = plan.filter(|_| far <= ON_IT) {
            show(session, &plan);
        }
    };
    let images = move || {
        let judged = curves.with_value(|curves| Some(curves.get(chosen.get())?.points.first()?.images));
        judged.map(|images| format!("Each row judges {images} pictures."))
    };
    let table = move || {
        let points = curves.with_value(|curves| curves.get(chosen.get()).map(|curve| curve.points.clone()));
        // What asks no network is the same at every place.
        let still = points.as_ref().is_some_and(|points| points.iter().all(|point| point.evaluations == 0.0));
        let rows = points.unwrap_or_default().into_iter().take(if still { 1 } else { usize::MAX });
        let rows = rows.enumerate();
        rows.map(|(i, point)| {
            let [fid, accuracy] = [Measure::Fid, Measure::Accuracy].map(|measure| {
                let (value, (low, high)) = (measure.of(&point), measure.interval(&point));
                let interval = format!("{}–{}", measure.said(low).trim_end_matches('%'), measure.said(high));
                view! { <td>{measure.said(value)}<span class="interval">{interval}</span></td> }
            });
            let place = if logarithmic { String::new() } else { point.at.to_string() };
            let label = format!("Show the digits of {} evaluations", figure_short(point.evaluations));
            let plan = point.plan;
            let form = move |_| {
                touched.set(Some(i));
                show(session, &plan);
            };
            view! {
                <tr class:touched=move || touched.get() == Some(i)>
                    {(!logarithmic).then(|| view! { <td>{place}</td> })}
                    <td>{figure_short(point.evaluations)}</td>
                    {fid}{accuracy}
                    <td><button type="button" class="button" aria-label=label on:click=form>"Show"</button></td>
                </tr>
            }
        })
        .collect_view()
    };
    let face = move |wanted: Measure| {
        view! {
            <label class="choice">
                <input type="radio" name="measure" prop:checked=move || measure.get() == wanted
                    on:change=move |_| measure.set(wanted)/>
                <span class="face">{wanted.label()}</span>
            </label>
        }
    };
    view! {
        <p class="about">{part.about.clone()}</p>
        <fieldset class="choices measures">
            <legend class="visually-hidden">"What is drawn"</legend>
            {face(Measure::Fid)}{face(Measure::Accuracy)}
        </fieldset>
        <div class="chart" aria-hidden="true" data-testid="chart">
            <div class="area" on:click=touch>
                <svg viewBox="0 0 1000 600" preserveAspectRatio="none">
                    <path class="faint" d=all></path>
                    <path class="bars" d=bars></path>
                    <path class="bright" d=one></path>
                </svg>
                {dots}{rows}{columns}
            </div>
            <p class="axis">{axis.clone()}</p>
        </div>
        <label class="name" for="study-curve">"Curve"</label>
        <div class="field"><select id="study-curve" data-testid="study-curve" on:change=choose>{options}</select></div>
        <table data-testid="study-table">
            <thead><tr>
                {(!logarithmic).then(|| view! { <th scope="col">{axis}</th> })}
                <th scope="col">"Evaluations"</th><th scope="col">"FID"</th><th scope="col">"Read as asked"</th>
                <th><span class="visually-hidden">"Digits"</span></th>
            </tr></thead>
            <tbody>{table}</tbody>
        </table>
        <p class="about" data-testid="study-images">{images}</p>
    }
}

/// A round number without the dust of its arithmetic.
fn rounded(value: f64) -> String {
    ((value * 1e6).round() / 1e6).to_string()
}

/// A count that may be a mean.
fn figure_short(value: f64) -> String {
    if value.fract() == 0.0 { value.to_string() } else { format!("{value:.1}") }
}

/// All places on the axis, where they are few and whole: then each is worth its tick.
fn few_places(curves: &[Curve]) -> Option<Vec<f64>> {
    let mut places: Vec<f64> = curves.iter().flat_map(|curve| &curve.points).map(|point| point.at).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    (places.len() <= MOST_PLACES && places.iter().all(|place| place.fract() == 0.0)).then_some(places)
}

/// Puts a plan of the study on screen; how many digits, which and from which noise stays as it is, and so does the model,
/// if this site does not have the plan's.
fn show(session: Session, text: &str) {
    let Ok(studied) = text.parse::<SamplePlan>() else { return };
    let known = session.catalog.with_untracked(|catalog| {
        catalog.as_ref().is_some_and(|catalog| catalog.entry(&studied.model).is_some())
    });
    session.change(Change::Made, |plan| {
        let kept = plan.clone();
        *plan = SamplePlan { digit: kept.digit, seed: kept.seed, count: kept.count, ..studied };
        if !known {
            plan.model = kept.model;
        }
    });
    session.focus_screen();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let logarithmic = Scale::over([4.0, 40.0].into_iter(), true);
        assert_eq!(logarithmic.ticks(), [5.0, 10.0, 20.0]);
        let narrow = Scale::over([6.0, 11.0].into_iter(), true).ticks();
        assert_eq!(narrow, [6.0, 8.0, 10.0]);
        let linear = Scale::over([-2.0, 2.0].into_iter(), false);
        assert_eq!(linear.ticks(), [-2.0, -1.0, 0.0, 1.0, 2.0]);
        let single = Scale::over([3.0].into_iter(), true);
        assert!(single.place(3.0) == 0.5 && single.ticks().contains(&3.0), "{:?}", single.ticks());
    }

    #[test]
    fn places_go_from_0_to_1() {
        let scale = Scale::over([4.0, 16.0].into_iter(), true);
        assert_eq!([4.0, 8.0, 16.0].map(|value| (scale.place(value) * 1e9).round() / 1e9), [0.0, 0.5, 1.0]);
    }
}
