//! `flow-digits sample`: a grid of images, a film of how they form, or of the way from one noise to another.

use super::film::FilmArgs;
use super::plan::PlanArgs;
use anyhow::{Result, bail};
use flow::interpolation::noises;
use std::path::{Path, PathBuf};
use trainer::device::DeviceChoice;
use trainer::evaluation;
use trainer::film::{Cast, Film, Palette, Take, shoot};
use trainer::image::grid::{self, GridOptions};
use trainer::image::npy;
use trainer::sampler::Sampler;
use trainer::source::Source;

const EXAMPLES: &str = "\
Examples:
  flow-digits sample public/models/mnist-unet.safetensors --out digits.png
  flow-digits sample runs/mnist-unet --digit 7 --solver euler --steps 20 --guidance 1 --out sevens.png
  flow-digits sample runs/mnist-unet --class-grid --out classes.png --npy images.npy
  flow-digits sample runs/mnist-unet --steps 24 --gif forming.gif --pace logarithmic --frames 60
  flow-digits sample runs/mnist-unet --digit 3 --interpolate 1 2 --columns 12 --out between.png
  flow-digits sample runs/mnist-unet --class-grid --interpolate 1 2 --apng between.apng

A film shows the run of the plan itself: --steps decides what there is to see, --frames only how often one looks. Its
frame i of N is at t = u (linear), 1 - (1 - u)^2 (quadratic) or (1 - 0.01^u) / 0.99 (logarithmic), u = i / (N - 1); between
two states of the run it shows their mix. With --interpolate a film shows the finished images on the way between the noises.";

/// Images on the way from one noise to another, without --columns.
const BLENDS: usize = 10;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An exported model, a run folder or a checkpoint
    model: PathBuf,
    #[command(flatten)]
    plan: PlanArgs,
    /// The PNG grid to write
    #[arg(long, default_value = "samples.png")]
    out: PathBuf,
    /// One row a class, ten columns, the same noises in every row
    #[arg(long)]
    class_grid: bool,
    /// Columns of the grid [default: ten, or fewer to make a square]
    #[arg(long)]
    columns: Option<usize>,
    /// From the first noise of one seed to that of another, on the sphere, in --columns images
    #[arg(long, num_args = 2, value_names = ["SEED_A", "SEED_B"])]
    interpolate: Option<Vec<u64>>,
    /// Also write a film as an animated GIF
    #[arg(long, value_name = "FILE")]
    gif: Option<PathBuf>,
    /// Also write a film as an animated PNG
    #[arg(long, value_name = "FILE")]
    apng: Option<PathBuf>,
    #[command(flatten)]
    film: FilmArgs,
    /// Also write the images as float32 N x 28 x 28 in [0, 1], and their labels beside (NAME-labels.npy)
    #[arg(long, value_name = "FILE")]
    npy: Option<PathBuf>,
    /// A second, weaker model for guidance=autoguidance [default: the one that the manifest beside the model names]
    #[arg(long, value_name = "MODEL")]
    weak: Option<PathBuf>,
    /// auto, cuda, cuda:N, wgpu, cpu or torch
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

impl Args {
    fn films(&self) -> bool {
        self.gif.is_some() || self.apng.is_some()
    }

    fn check(&self) -> Result<()> {
        if self.columns == Some(0) {
            bail!("--columns takes 1 or more");
        }
        let outs = [
            ("--out", Some(&self.out)),
            ("--npy", self.npy.as_ref()),
            ("--gif", self.gif.as_ref()),
            ("--apng", self.apng.as_ref()),
        ];
        for (i, (name, path)) in outs.iter().enumerate() {
            if let Some(path) = path
                && let Some((other, _)) = outs[..i].iter().find(|(_, before)| *before == Some(*path))
            {
                bail!("{other} and {name} both name {}: give two files", path.display());
            }
        }
        self.film.check()?;
        if let (false, Some(flag)) = (self.films(), self.film.named()) {
            bail!("{flag} is for a film: give --gif FILE or --apng FILE");
        }
        if self.interpolate.is_some() {
            if let Some(flag) = self.plan.names_seed() {
                bail!("--interpolate names both seeds: --{flag} has no place beside it");
            }
            if let Some(flag) = self.plan.names_count() {
                bail!("--interpolate takes --columns for the number of images, not --{flag}");
            }
            if self.film.pace.is_some() {
                bail!("--pace spaces times; a film of --interpolate goes evenly from seed to seed");
            }
        }
        Ok(())
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    args.check()?;
    let mut plan = args.plan.plan("")?;
    if args.interpolate.is_some() && plan.solver.stochastic() {
        bail!("{} adds noise of its own on the way: --interpolate needs another solver", plan.solver.id());
    }
    let opened = args.device.open()?;
    trainer::outln!("device: {}", opened.description);
    let source = Source::open(&args.model, &opened.device)?;
    plan.model.clone_from(&source.name);
    let weak = source.weaker(args.weak.as_deref(), &plan.guidance, &opened.device)?;
    let sampler = Sampler::of(&source, &opened.device);
    let sampler = match &weak {
        Some(weak) => sampler.with_weak(weak)?,
        None => sampler,
    };
    if sampler.image()[0] != 1 && (args.films() || args.npy.is_some()) {
        bail!(
            "--gif, --apng and --npy take grey images; {} draws in colour, which --out writes",
            source.name
        );
    }
    let (classes, size) = (source.architecture.classes(), source.architecture.image_len());
    if classes == 0 {
        bail!("the model has no classes");
    }
    let ends = args.interpolate.as_ref().map(|seeds| {
        let noise = |seed: &u64| flow::noise::gaussian(*seed, 0, size);
        (noise(&seeds[0]), noise(&seeds[1]))
    });
    let columns = match (&ends, args.class_grid, args.columns) {
        (_, _, Some(columns)) => columns,
        (Some(_), _, None) => BLENDS,
        (None, true, None) => 10,
        (None, false, None) => (1..=10).find(|n| n * n >= plan.count).unwrap_or(10),
    };
    // Rows that are drawn together: each begins with image 0, so that all have the same noises.
    let rows = |length: usize| -> Vec<Cast> {
        let noises = match &ends {
            Some((a, b)) => noises(a, b, length),
            None => flow::noise::batch(plan.seed, 0..length as u64, size),
        };
        let row = |label| Cast { labels: vec![label; length], noises: noises.clone(), first: 0 };
        match (args.class_grid, &ends) {
            (true, _) => (0..classes as u8).map(row).collect(),
            (false, Some(_)) => vec![row(plan.label(0))],
            (false, None) => vec![Cast::of(&plan, size)],
        }
    };
    let draw = |casts: &[Cast], times: &[f64], what: &'static str| -> Result<Take> {
        let bar = super::image_bar(casts.iter().map(|cast| cast.labels.len()).sum(), what);
        let mut all = Take::default();
        for cast in casts {
            let done = all.labels.len();
            all.append(shoot(&sampler, &plan, cast, times, |n| bar.set_position(done as u64 + n as u64))?);
        }
        bar.finish_and_clear();
        Ok(all)
    };
    // Of the way between two noises a film shows finished images, so it is drawn by itself.
    let forms = args.films() && ends.is_none();
    let times = if forms { args.film.times() } else { Vec::new() };
    // A class grid has ten images a row, however many columns the picture has.
    let length = if ends.is_some() { columns } else { 10 };
    let take = draw(&rows(length), &times, "sampling")?;

    let image = sampler.image();
    let [_, height, width] = image;
    let options = GridOptions { columns, scale: args.film.scale_or(2), ..GridOptions::default() };
    if let Some(parent) = args.out.parent() {
        std::fs::create_dir_all(parent)?;
    }
    grid::write_images(&args.out, &take.pixels, image, &options)?;
    let (text, images) = (evaluation::plan_text(&plan), take.labels.len());
    match (&args.interpolate, args.class_grid) {
        (Some(seeds), _) => trainer::outln!(
            "plan: {}&model={}, {columns} noises from seed {} to seed {}, {}",
            without_seed(&text),
            source.name,
            seeds[0],
            seeds[1],
            if args.class_grid { format!("{classes} classes") } else { format!("digit {}", plan.label(0)) }
        ),
        (None, true) => trainer::outln!("plan: {text}&model={}, {classes} classes x 10", source.name),
        (None, false) => trainer::outln!("plan: {plan}"),
    }
    trainer::outln!(
        "{images} images, {} evaluations an image, {:.2} s ({:.1} ms an image)",
        take.evaluations,
        take.time.as_secs_f64(),
        1000.0 * take.time.as_secs_f64() / images as f64
    );
    trainer::outln!("wrote {}", args.out.display());
    if let Some(path) = &args.npy {
        let pixels: Vec<f32> = take.pixels.iter().map(|p| p.clamp(0.0, 1.0)).collect();
        let labels = npy::write(path, &pixels, height, width, &take.labels)?;
        trainer::outln!("wrote {} and {}", path.display(), labels.display());
    }
    if args.films() {
        let (frames, columns) = if ends.is_some() {
            let take = draw(&rows(args.film.frames()), &[], "filming")?;
            let rows = take.labels.len() / args.film.frames();
            (crosswise(&take.pixels, args.film.frames(), height * width), rows.min(5))
        } else {
            (take.frames, columns)
        };
        let options = GridOptions { columns, scale: args.film.scale_or(4), ..GridOptions::default() };
        save(args, &frames, (height, width), &options)?;
    }
    Ok(())
}

/// Rows of so many images as frames: frame k holds image k of every row.
fn crosswise(pixels: &[f32], length: usize, size: usize) -> Vec<Vec<f32>> {
    let image = |row: &[f32], k: usize| row[k * size..(k + 1) * size].to_vec();
    (0..length).map(|k| pixels.chunks(length * size).flat_map(|row| image(row, k)).collect()).collect()
}

/// Draws the frames as grids and writes them under the names that were given.
fn save(
    args: &Args,
    frames: &[Vec<f32>],
    (height, width): (usize, usize),
    options: &GridOptions,
) -> Result<()> {
    let pictures =
        frames.iter().map(|frame| grid::draw(frame, height, width, options)).collect::<Result<_, _>>()?;
    let film = Film::new(Palette::grey(), pictures, args.film.fps(), args.film.hold())?;
    let say = |path: &Path, bytes: usize| {
        trainer::outln!("wrote {} ({} frames, {} kB)", path.display(), frames.len(), bytes.div_ceil(1000));
    };
    if let Some(path) = &args.gif {
        say(path, film.write_gif(path)?);
    }
    if let Some(path) = &args.apng {
        say(path, film.write_apng(path)?);
    }
    Ok(())
}

/// A plan's text without its seed.
fn without_seed(text: &str) -> String {
    text.split('&').filter(|pair| !pair.starts_with("seed=")).collect::<Vec<_>>().join("&")
}
