//! `flow-digits compare`.

use super::film::FilmArgs;
use super::plan::PlanArgs;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use trainer::compare::sheet::{Block, Style, Theme, fitting_scale, pictures};
use trainer::compare::{Compared, Entry, draw, in_short};
use trainer::device::DeviceChoice;
use trainer::film::Film;
use trainer::plot::velocity::Arrows;

const EXAMPLES: &str = "\
Examples:
  flow-digits compare pair-independent pair-exact pair-class-aware --steps 8 --out pairs.png
  flow-digits compare mnist-unet \"mnist-unet@solver=euler&steps=4\" --out solvers.png --out solvers.gif
  flow-digits compare mnist-unet@guidance=1 mnist-unet@guidance=2 mnist-unet@guidance=5 --digit 3 --count 1 --arrows --out three.gif
  flow-digits compare runs/a runs/b --theme light --pace logarithmic --out a-and-b.apng

Every model draws the same noises. MODEL@field=value&... gives one of them a plan that differs: solver, schedule, steps,
tol, controller or guidance. With a film, --steps decides what there is to see, and a linear schedule is smoothest.";

/// What the plan takes that names nothing: one row of ten.
const PLAN: &str = "count=10";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Model files, run folders, checkpoints or ids of --models; each may have a plan of its own: MODEL@field=value&...
    #[arg(required = true, num_args = 1..=24, value_name = "MODEL[@PLAN]")]
    entries: Vec<String>,
    #[command(flatten)]
    plan: PlanArgs,
    /// The picture or film to write: NAME.png, NAME.gif or NAME.apng; may be given several times
    #[arg(long = "out", default_value = "compare.png")]
    outs: Vec<PathBuf>,
    #[command(flatten)]
    film: FilmArgs,
    /// Images in a row of a model's block [default: ten]
    #[arg(long)]
    columns: Option<usize>,
    /// Arrows over each image, from where ink is lost to where it is gained
    #[arg(long, value_enum, num_args = 0..=1, default_missing_value = "flux")]
    arrows: Option<Arrows>,
    /// The time that a PNG shows, 0 to 1 [default: 1, and 0.5 with --arrows]
    #[arg(long, value_name = "T")]
    at: Option<f64>,
    /// Dark ink on a light page, or light ink on a dark one
    #[arg(long, value_enum, default_value_t = Theme::Dark)]
    theme: Theme,
    /// Folder of the models that are named by id
    #[arg(long, default_value = super::MODELS)]
    models: PathBuf,
    /// auto, cuda, cuda:N, wgpu, cpu or torch
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

/// The kind of a file, by its ending.
#[derive(Clone, Copy, PartialEq)]
enum Ending {
    Png,
    Gif,
    Apng,
}

fn ending(path: &Path) -> Result<Ending> {
    match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("png") => Ok(Ending::Png),
        Some("gif") => Ok(Ending::Gif),
        Some("apng") => Ok(Ending::Apng),
        _ => bail!(
            "--out {}: accepted are names that end in .png (a picture), .gif or .apng (a film)",
            path.display()
        ),
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let outs: Vec<(&PathBuf, Ending)> =
        args.outs.iter().map(|path| Ok((path, ending(path)?))).collect::<Result<_>>()?;
    let films = outs.iter().any(|(_, ending)| *ending != Ending::Png);
    args.film.check()?;
    if args.columns == Some(0) {
        bail!("--columns takes 1 or more");
    }
    let at = args.at.unwrap_or(if args.arrows.is_some() { 0.5 } else { 1.0 });
    if !(0.0..=1.0).contains(&at) {
        bail!("--at {at} is not accepted; it takes 0 to 1");
    }
    if let (false, Some(flag)) = (films, args.film.named()) {
        bail!("{flag} is for a film: give --out NAME.gif or --out NAME.apng");
    }
    let common = args.plan.plan(PLAN)?;
    let entries: Vec<Entry> = args.entries.iter().map(|text| Entry::parse(text)).collect();
    // Mistakes first: before any model is opened.
    for entry in &entries {
        entry.plan(&common)?;
        entry.locate(&args.models)?;
    }
    let opened = args.device.open()?;
    trainer::outln!("device: {}", opened.description);
    // The film's times, and the picture's behind them.
    let film = if films { args.film.times() } else { Vec::new() };
    let mut times = film.clone();
    times.push(at);
    let mut all: Vec<Compared> = Vec::new();
    for entry in &entries {
        let bar = super::image_bar(common.count, "sampling");
        let seen = |done: f64| bar.set_position(done as u64);
        all.push(draw(entry, &common, &args.models, &opened.device, &times, all.first(), seen)?);
        bar.finish_and_clear();
    }
    table(&all);
    let (height, width) = size(&all)?;
    let digit = common.digit.to_string();
    let heading = match digit.as_str() {
        "any" => format!("The same noises for all: seed {}", common.seed),
        digit => format!("The same noises for all: digit {digit}, seed {}", common.seed),
    };
    let columns = args.columns.unwrap_or(10);
    let style = |times: Vec<f64>| Style {
        theme: args.theme,
        size: (height, width),
        columns,
        scale: args.film.scale_or(fitting_scale(columns, common.count)),
        arrows: args.arrows,
        heading: heading.clone(),
        times,
    };
    let blocks = |range: std::ops::Range<usize>| -> Vec<Block> {
        let part = |states: &[Vec<f32>]| states[range.clone()].to_vec();
        let slopes = |take: &trainer::film::Take| {
            if args.arrows.is_some() { part(&take.slopes) } else { Vec::new() }
        };
        all.iter()
            .map(|one| Block {
                title: one.name.clone(),
                lines: caption(one),
                frames: part(&one.take.frames),
                slopes: slopes(&one.take),
            })
            .collect()
    };
    let moving = if films {
        let pictures = pictures(&blocks(0..film.len()), &style(film.clone()))?;
        Some(Film::new(args.theme.palette(), pictures, args.film.fps(), args.film.hold())?)
    } else {
        None
    };
    for (path, ending) in outs {
        let bytes = match (&moving, ending) {
            (Some(film), Ending::Gif) => film.write_gif(path)?,
            (Some(film), Ending::Apng) => film.write_apng(path)?,
            _ => {
                let told = if at < 1.0 { vec![at] } else { Vec::new() };
                let picture = pictures(&blocks(film.len()..film.len() + 1), &style(told))?;
                let Some(picture) = picture.into_iter().next() else { bail!("there is no picture") };
                Film::still(args.theme.palette(), picture).write_apng(path)?
            }
        };
        trainer::outln!("wrote {} ({} kB)", path.display(), bytes.div_ceil(1000));
    }
    Ok(())
}

/// What stands below a model's name.
fn caption(one: &Compared) -> Vec<String> {
    let mut facts = format!("{} evaluations", one.take.evaluations);
    if let Some(measured) = one.measured {
        facts += &format!(", FID {:.1}, {:.1}% read as asked", measured.fid, 100.0 * measured.accuracy);
    }
    vec![in_short(&one.plan), facts]
}

fn table(all: &[Compared]) {
    let name = all.iter().map(|one| one.name.chars().count()).max().unwrap_or(0).max(5);
    trainer::outln!(
        "{:name$}  {:>11}  {:>8}  {:>8}  {:>7}  {:>8}  plan",
        "model",
        "evaluations",
        "ms",
        "RMS",
        "FID",
        "accuracy"
    );
    for one in all {
        let (fid, accuracy) = one.measured.map_or(("-".to_owned(), "-".to_owned()), |m| {
            (format!("{:.2}", m.fid), format!("{:.1}%", 100.0 * m.accuracy))
        });
        trainer::outln!(
            "{:name$}  {:>11}  {:>8.0}  {:>8.4}  {fid:>7}  {accuracy:>8}  {}",
            one.name,
            one.take.evaluations,
            one.take.time.as_secs_f64() * 1e3,
            one.distance,
            in_short(&one.plan)
        );
    }
    trainer::outln!(
        "RMS: from the first one's images, pixels from 0 to 1; FID and accuracy: from the model's file"
    );
}

/// Height and width of the images.
fn size(all: &[Compared]) -> Result<(usize, usize)> {
    let Some([_, height, width]) = all.first().map(|one| one.image) else {
        bail!("there is nothing to compare")
    };
    Ok((height, width))
}
