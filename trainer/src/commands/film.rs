//! The flags of a film, for every command that makes one.

use anyhow::{Result, bail};
use clap::value_parser;
use trainer::film::{FPS, FRAMES, Pace};

/// How a film moves.
#[derive(clap::Args)]
pub(crate) struct FilmArgs {
    /// How a film's frames are spaced in t [default: quadratic]
    #[arg(long, value_enum)]
    pub(crate) pace: Option<Pace>,
    /// Frames of a film, 2 to 500 [default: 48]
    #[arg(long)]
    frames: Option<usize>,
    /// Frames a second, 1 to 50 [default: 16]
    #[arg(long)]
    fps: Option<usize>,
    /// Seconds that the last frame of a film stays, 0 to 60
    #[arg(long, default_value_t = 1.5)]
    hold: f64,
    /// Pixels on a side of one pixel of an image, 1 to 64 [default: what suits the picture; `sample` takes 4 in a film and 2 in a PNG]
    #[arg(long, value_parser = value_parser!(u8).range(1..=64))]
    scale: Option<u8>,
}

impl FilmArgs {
    /// The number of frames.
    pub(crate) fn frames(&self) -> usize {
        self.frames.unwrap_or(48)
    }

    /// Frames a second.
    pub(crate) fn fps(&self) -> usize {
        self.fps.unwrap_or(16)
    }

    /// How long the last frame stays, in hundredths of a second.
    pub(crate) fn hold(&self) -> u16 {
        (self.hold * 100.0).round() as u16
    }

    /// The scale, or this one.
    pub(crate) fn scale_or(&self, default: usize) -> usize {
        self.scale.map_or(default, usize::from)
    }

    /// The times of the frames.
    pub(crate) fn times(&self) -> Vec<f64> {
        self.pace.unwrap_or(Pace::Quadratic).times(self.frames())
    }

    /// The first of these flags that only a film has a use for.
    pub(crate) fn named(&self) -> Option<&'static str> {
        let all = [
            ("--pace", self.pace.is_some()),
            ("--frames", self.frames.is_some()),
            ("--fps", self.fps.is_some()),
        ];
        all.iter().find(|(_, given)| *given).map(|(name, _)| *name)
    }

    /// Refuses what no film can be, before any work.
    pub(crate) fn check(&self) -> Result<()> {
        for (name, got, range) in [("--frames", self.frames(), FRAMES), ("--fps", self.fps(), FPS)] {
            if !range.contains(&got) {
                bail!("{name} {got} is not accepted; it takes {} to {}", range.start(), range.end());
            }
        }
        if !(0.0..=60.0).contains(&self.hold) {
            bail!("--hold {} is not accepted; it takes 0 to 60 seconds", self.hold);
        }
        Ok(())
    }
}
