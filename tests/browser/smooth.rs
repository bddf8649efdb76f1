//! The page stays quick and leaves nothing behind: time on the main thread, nodes, listeners, workers.

use super::QUICK;
use cross_tests::browser::measure::{PROGRAMS, Task};
use cross_tests::browser::{Tab, named};

/// From here on, browsers count a task as long: a touch meanwhile is felt to wait.
const LONG_MS: f64 = 50.0;

#[test]
fn no_task_of_the_main_thread_is_long_while_digits_form_and_play() {
    let Some((site, program)) = named("no_task_of_the_main_thread") else { return };
    let mut tab = Tab::new(&program, &site, &[]);
    tab.open(QUICK);
    tab.picture("seed=7");
    tab.wait("the study", "!!document.querySelector('[data-testid=study-table] tbody tr')");
    // With motion: what plays is drawn.
    let tasks = tab.tasks_during(|tab| {
        tab.visit("?backend=cpu&count=16&solver=euler&steps=40&guidance=1&seed=8");
        tab.picture("seed=8");
    });
    let sum: f64 = tasks.iter().map(|task| task.cpu_ms).sum();
    let longest = tasks.iter().map(|task| task.cpu_ms).fold(0.0, f64::max);
    println!("{} tasks, {sum:.0} ms of computing, the longest {longest:.1} ms", tasks.len());
    assert!(sum > 0.0, "the trace tells no times of computing");
    assert!(longest < LONG_MS, "one task computes for {longest} ms");
}

#[test]
fn a_long_task_would_be_noticed() {
    let mut tab = tab!("a_long_task");
    tab.open("worker.js");
    let is_long = |task: &Task| task.cpu_ms >= LONG_MS && task.wall_ms >= 790.0;
    let tasks = tab.tasks_during(|tab| {
        // Long enough that the thread computes for 50 ms even where it gets a fraction of a processor; and twice, because a busy
        // browser begins its trace a while after it says so.
        for _ in 0..2 {
            tab.eval("(end => { while (performance.now() < end); })(performance.now() + 800)");
        }
    });
    assert!(tasks.iter().any(is_long), "{tasks:?}");
}

#[test]
fn fifty_other_plans_leave_nothing_behind() {
    let mut tab = tab!("fifty_other_plans");
    tab.before_each_page(PROGRAMS);
    tab.open("?backend=cpu&count=1&steps=1&guidance=1&seed=1");
    tab.picture("seed=1");
    tab.wait("the study", "!!document.querySelector('[data-testid=study-table] tbody tr')");
    let plan = |seed: usize| {
        let solver = ["euler", "heun", "rk4", "midpoint"][seed % 4];
        let schedule = ["linear", "shift:k=2", "cosine"][seed % 3];
        format!(
            "?backend=cpu&count=1&steps={}&guidance=1&solver={solver}&schedule={schedule}&seed={seed}",
            1 + seed % 2
        )
    };
    let go = |tab: &mut Tab, seeds: std::ops::Range<usize>| {
        for seed in seeds {
            tab.visit(&plan(seed));
            tab.picture(&format!("seed={seed}"));
        }
    };
    // The first ones fill what is kept for good: every picker's drawings, say.
    go(&mut tab, 100..112);
    let used = |tab: &mut Tab| tab.eval("used()").as_u64().unwrap();
    let (before, used_before) = (tab.kept(), used(&mut tab));
    go(&mut tab, 200..250);
    let (after, used_after) = (tab.kept(), used(&mut tab));
    println!("before {before:?}, {used_before} bytes in use\nafter  {after:?}, {used_after} bytes in use");
    assert_eq!(after.workers, before.workers, "workers");
    assert_eq!(after.documents, before.documents, "documents");
    // Less than one for two plans: none for each.
    assert!(after.nodes < before.nodes + 25, "nodes: {} became {}", before.nodes, after.nodes);
    assert!(
        after.listeners < before.listeners + 25,
        "listeners: {} became {}",
        before.listeners,
        after.listeners
    );
    assert!(
        after.heap_bytes < before.heap_bytes + 1_000_000,
        "{} bytes became {}",
        before.heap_bytes,
        after.heap_bytes
    );
    // One small thing that nobody owns is more than 500 bytes; the address of the last plan may be a few longer.
    assert!(used_before > 0, "the page's program was not found");
    assert!(used_after < used_before + 50 * 500, "{used_before} bytes in use became {used_after}");
}

#[test]
fn what_is_left_behind_would_be_counted() {
    let mut tab = tab!("what_is_left_behind");
    tab.open("worker.js");
    let before = tab.kept();
    tab.eval(
        "window.left = Array.from({ length: 40 }, () => { const node = document.createElement('p'); \
         node.addEventListener('click', () => node); return node }), window.numbers = Array.from({ length: 200000 }, Math.random), \
         window.worker = new Worker('worker.js', { type: 'module' }), true",
    );
    let after = tab.kept();
    assert_eq!((after.nodes - before.nodes, after.listeners - before.listeners), (40, 40));
    assert_eq!((before.workers, after.workers), (0, 1));
    assert!(after.heap_bytes > before.heap_bytes + 1_000_000);
    tab.eval("worker.terminate(), delete window.left, delete window.numbers, true");
    let end = tab.kept();
    assert_eq!((end.nodes, end.listeners, end.workers), (before.nodes, before.listeners, 0));
}
