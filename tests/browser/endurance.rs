//! Hours of play: a reader who presses at random whatever can be pressed. What the page keeps stays bounded.
//!
//! One action stands for ten seconds of a reader's time. The ordinary test plays a quarter of an hour; the whole of eight hours is
//! `FLOW_DIGITS_ENDURANCE=2880 cargo xtask test --browser`, or that variable beside the command of a single test.

use cross_tests::browser::measure::{Kept, PROGRAMS};
use cross_tests::browser::{Tab, named};
use serde_json::Value;

use super::{copied, seal};

/// Actions in an ordinary run: a quarter of an hour at ten seconds each.
const ACTIONS: usize = 90;
/// Set to another number of actions.
const ASKED: &str = "FLOW_DIGITS_ENDURANCE";
/// How often it is measured.
const LOOKS: usize = 8;
/// A run of so many actions is long enough to tell growth from what a reader has just opened, or closed.
const LONG: usize = 1_000;

/// A bound on something that is kept.
struct Bound {
    /// What it is called.
    what: &'static str,
    /// Where it stands in a look.
    of: fn(&Look) -> u64,
    /// The most at the end.
    most: u64,
    /// The most that it rises in a long run after the first quarter, as a share of its mean.
    most_rise: Option<f64>,
}

/// Eight hours came to 1.90 MB, 4,479 nodes, 165 listeners, 15.4 MB, 3.84 MB in use, and 64 MB; since the end of the first
/// quarter the heap rose by 4 %, what is in use by 1 %, nodes and listeners not at all. Nodes and listeners come and go with panes and folds,
/// and what is in use with the films of panes. A memory of WebAssembly never shrinks: how large it is tells of the largest picture that
/// was ever saved, and the worker's of the model that was ever asked for most; so neither has a bound on its rise.
const BOUNDS: [Bound; 6] = [
    Bound {
        what: "the script's heap",
        of: |look| look.kept.heap_bytes,
        most: 3_000_000,
        most_rise: Some(0.2),
    },
    Bound { what: "nodes", of: |look| look.kept.nodes, most: 5_000, most_rise: Some(0.2) },
    Bound { what: "listeners", of: |look| look.kept.listeners, most: 300, most_rise: Some(0.2) },
    Bound { what: "the page's memory", of: |look| look.page_bytes, most: 40_000_000, most_rise: None },
    Bound {
        what: "what is in use of the page's memory",
        of: |look| look.page_used,
        most: 8_000_000,
        most_rise: Some(0.2),
    },
    Bound { what: "the worker's memory", of: |look| look.worker_bytes, most: 80_000_000, most_rise: None },
];

/// In a worker: tells how many bytes its memories have. Whoever asks hears of those that are still there.
const TELLING: &str = "new BroadcastChannel('memory').onmessage = ({ data }) => { if (data === 'how much?') \
    new BroadcastChannel('memory').postMessage({ bytes: self.held() }) };\n";

/// The bytes of the page's memories, less what looking asked for (room that the page may use later, so this is the least that they
/// would have come to); the bytes in use; and the bytes of the workers' memories. A worker in a long step answers after it.
const MUCH: &str = "new Promise(done => { const channel = new BroadcastChannel('memory'); let workers = 0, open = true; \
    const all = () => { if (open) { open = false; channel.close(); done([held() - probed, used(), workers]) } }; \
    channel.onmessage = ({ data }) => { if (data.bytes) { workers += data.bytes; all() } }; \
    channel.postMessage('how much?'); setTimeout(all, 20000) })";

/// The player: a seeded die, and everything that a reader can press. Menus are chosen from, sliders are dragged, pictures are
/// drawn with the pointer, files are saved (and thrown away here).
const PLAYER: &str = r#"(() => {
    let state = 20261125;
    const die = many => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return Math.floor(state / 4294967296 * many) };
    const one = all => all[die(all.length)];
    const seen = what => [...document.querySelectorAll(what)].filter(e => !e.disabled && e.checkVisibility());
    const tell = (e, name) => e.dispatchEvent(new Event(name, { bubbles: true }));
    // A saved file is no more than its click; a copy to the clipboard needs a permission that nobody gives here.
    HTMLAnchorElement.prototype.click = function () { URL.revokeObjectURL(this.href) };
    const counts = {};
    const did = what => { counts[what] = (counts[what] ?? 0) + 1 };
    const press = (what, name) => { const e = one(seen(what)); if (e) { e.click(); did(name) } };
    const slide = async what => { const e = one(seen(what)); if (!e) return; did('slider');
        const low = Number(e.min), high = Number(e.max);
        for (let i = 0; i < 3; i++) { e.value = low + (high - low) * die(101) / 100; tell(e, 'input'); await new Promise(requestAnimationFrame) }
        tell(e, 'change') };
    const stroke = async e => { const box = e.getBoundingClientRect();
        const at = (name, x, y) => e.dispatchEvent(new PointerEvent(name, { bubbles: true, pointerId: 1, isPrimary: true, button: 0, buttons: 1,
            clientX: box.left + x * box.width, clientY: box.top + y * box.height }));
        at('pointerdown', 0.3, 0.2);
        for (let i = 1; i < 6; i++) { at('pointermove', 0.3 + die(40) / 100, 0.2 + i / 10); await new Promise(requestAnimationFrame) }
        at('pointerup', 0.5, 0.7); did('stroke') };
    // Buttons to save wait for the end of a run, as a reader does, but not for long.
    window.save = async what => { const e = document.querySelector(`[data-testid=${what}]`);
        for (let i = 0; e?.disabled && i < 50; i++) await new Promise(done => setTimeout(done, 100));
        if (e && !e.disabled) { e.click(); did(what) } };
    const actions = [
        () => press('[data-testid=play], [data-testid=compare-play]', 'play'),
        () => press('[data-testid=new-seed]', 'seed'),
        () => press('form.controls input[type=radio]', 'choice'),
        () => press('[data-testid=views] input', 'view'),
        () => press('[data-testid=story]', 'story'),
        () => press('[data-testid=compare-add], [data-testid=pane-remove]', 'pane'),
        () => press('[data-testid=compare] button', 'compare'),
        () => press('[data-testid=own] button, [data-testid=own] input[type=radio]', 'own'),
        () => save(one(['save-png', 'save-gif', 'save-sprite'])),
        () => press('[data-testid=study-table] tbody button', 'study'),
        () => press('summary', 'fold'),
        () => press('main button[data-testid=retry], [data-testid=notice] button', 'notice'),
        () => slide('form.controls input[type=range]'),
        () => slide('main input[type=range]'),
        async () => { const e = one(seen('main select')); if (e) { e.selectedIndex = die(e.options.length); tell(e, 'change'); did('menu') } },
        async () => { const e = seen('[data-testid=board] canvas, canvas[data-testid=board]')[0]; if (e) await stroke(e) },
        () => { one(seen('section, h2')).scrollIntoView({ behavior: 'instant', block: 'center' }); did('scroll') },
        () => { history.back(); did('back') },
        () => { document.querySelector('[data-testid=timeline]')?.dispatchEvent(new KeyboardEvent('keydown', { key: one(['Home', 'End', 'ArrowLeft']), bubbles: true })); did('timeline') },
    ];
    // What would take minutes on a processor is made small again, as its reader would in the end.
    const small = () => { const data = document.querySelector('[data-testid=instrument]').dataset;
        if (data.state === 'running' || data.state === 'loading') return;
        const asked = new URLSearchParams(location.search);
        if (Number(asked.get('count')) > 16 || Number(asked.get('steps')) > 40 || asked.has('tol')) {
            asked.set('count', 4); asked.set('steps', 4); asked.delete('tol'); asked.set('solver', 'heun');
            history.replaceState(null, '', '?' + asked); dispatchEvent(new PopStateEvent('popstate')); did('small') } };
    // When the page's memory grew: after how many actions, to how many bytes, and what was asked of the page then.
    let most = 0, played = 0; const own = () => held() - probed;
    window.grown = [];
    window.play = async many => { for (let i = 0; i < many; i++) {
            await one(actions)(); small(); await new Promise(done => setTimeout(done, 60)); played++;
            if (own() > most) { most = own(); grown.push([played, most, location.search]) } } return counts };
    // Always the same at the end of a stretch: then what is kept can be compared.
    window.rest = async () => { history.replaceState(null, '', '?backend=cpu&count=4&steps=4&seed=7&model=mnist-unet&solver=heun&guidance=2');
        dispatchEvent(new PopStateEvent('popstate')); scrollTo(0, 0) };
    return true
})()"#;

/// What is kept, in numbers that can be compared.
#[derive(Clone, Copy, Debug)]
struct Look {
    kept: Kept,
    page_bytes: u64,
    page_used: u64,
    worker_bytes: u64,
}

fn look(tab: &mut Tab) -> Look {
    // What the script let go of is given back by the page's program once it was collected.
    let kept = tab.kept();
    let [page_bytes, page_used, worker_bytes] = serde_json::from_value(tab.eval(MUCH)).unwrap();
    Look { kept, page_bytes, page_used, worker_bytes }
}

/// How much values that were measured at even distances rise from the first to the last on the straight line nearest to all of them,
/// as a share of their mean: no single look decides it.
fn rise(values: &[f64]) -> f64 {
    let middle = (values.len() - 1) as f64 / 2.0;
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let from_middle = || (0..values.len()).map(|index| index as f64 - middle);
    let along: f64 = from_middle().zip(values).map(|(place, value)| place * value).sum();
    let across: f64 = from_middle().map(|place| place * place).sum();
    along / across * 2.0 * middle / mean
}

#[test]
fn hours_of_play_keep_the_page_within_its_bounds() {
    let Some((site, program)) = named("hours_of_play") else { return };
    let actions = std::env::var(ASKED).ok().and_then(|asked| asked.parse().ok()).unwrap_or(ACTIONS);
    let site = copied(&site);
    let script = site.path().join("worker.js");
    let worker = std::fs::read_to_string(&script).unwrap();
    std::fs::write(&script, format!("{PROGRAMS}{TELLING}{worker}")).unwrap();
    seal(site.path());
    let mut tab = Tab::new(&program, site.path(), &["--disable-ipc-flooding-protection"]);
    tab.before_each_page(PROGRAMS);
    tab.open("?backend=cpu&count=4&steps=4&seed=7");
    tab.picture("seed=7");
    tab.eval(PLAYER);
    let mut looks: Vec<Look> = Vec::new();
    let mut counts = Value::Null;
    for stretch in 1..=LOOKS {
        let until = actions * stretch / LOOKS;
        let mut played = actions * (stretch - 1) / LOOKS;
        while played < until {
            let some = (until - played).min(40);
            counts = tab.eval(&format!("play({some})"));
            played += some;
        }
        tab.eval("rest()");
        tab.picture("seed=7&digit=any&count=4");
        // Panes that are out of sight wait until they are seen, and are no work.
        let works = "[...document.querySelectorAll('main [data-state]')].some(e => ['loading', 'running'].includes(e.dataset.state) && \
            (box => box.bottom > 0 && box.top < innerHeight)(e.getBoundingClientRect()))";
        tab.wait("end of all work", &format!("!{works}"));
        let seen = look(&mut tab);
        println!("{played} actions: {seen:?}");
        looks.push(seen);
        assert_eq!(tab.complaints(), Vec::<String>::new(), "after {played} actions");
    }
    println!("pressed: {counts}");
    for grown in tab.eval("grown").as_array().into_iter().flatten() {
        println!("the page's memory grew: after so many actions, to so many bytes, in {grown}");
    }
    // The first quarter fills what is filled once: caches, models, memories that never shrink.
    let (since, last) = (&looks[LOOKS / 4 - 1..], looks[LOOKS - 1]);
    for Bound { what, of, most, most_rise } in BOUNDS {
        let end = of(&last);
        assert!(end <= most, "{what}: {end} at the end, more than {most}");
        let risen = rise(&since.iter().map(|look| of(look) as f64).collect::<Vec<_>>());
        println!("{what}: {end} at the end, risen by {:.1} % since the first quarter", 100.0 * risen);
        if let Some(most_rise) = most_rise.filter(|_| actions >= LONG) {
            assert!(
                risen <= most_rise,
                "{what} rises by {risen:.3} of its mean, more than {most_rise}: {since:?}"
            );
        }
    }
    assert!(last.kept.workers <= 2, "{} workers", last.kept.workers);
    assert!(last.worker_bytes > 0 && last.page_bytes > 0, "{last:?}");
    let pressed = counts.as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>();
    assert!(
        pressed as usize * 10 > actions * 7,
        "only {pressed} of {actions} actions found something to press"
    );
}

#[test]
fn what_rises_evenly_is_seen_whatever_the_last_look_says() {
    let even: Vec<f64> = (0..7).map(|look| 100.0 + 10.0 * f64::from(look)).collect();
    assert!((rise(&even) - 60.0 / 130.0).abs() < 1e-12, "{}", rise(&even));
    let lucky = [even[..6].to_vec(), vec![100.0]].concat();
    assert!(rise(&lucky) > 0.15, "{}", rise(&lucky));
    assert!(rise(&[3.0, 5.0, 3.0, 5.0, 3.0]).abs() < 1e-12, "up and down is no rise");
}
