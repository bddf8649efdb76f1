//! Figures that people read: line charts, schedules, trajectories, the velocity field. One figure a file; each makes an
//! SVG text, which [`write`] puts into a file. Axes, colours and captions are shared, so that all look like one hand's.
//!
//! Drawn with Plotters on a white page, with text in the reader's own sans-serif and no script. Coordinates are rounded to
//! a tenth of a pixel. No bitmaps: rasterizing text needs a font, and none is shipped.

use model_export::write_atomically;
use std::path::Path;

mod axis;
pub mod collect;
pub mod lines;
mod page;
mod palette;
mod projection;
pub mod schedules;
mod svg;
pub mod trajectories;
pub mod velocity;

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlotError {
    /// A file name of another kind of picture.
    #[error(
        "{got}: figures are SVG, so accepted is a name that ends in .svg (a browser or `rsvg-convert` makes a PNG of it)"
    )]
    Ending {
        /// The name.
        got: String,
    },
    /// Nothing to draw.
    #[error("nothing to draw: {what}")]
    Nothing {
        /// What is missing.
        what: String,
    },
    /// A value that an axis cannot hold.
    #[error("{what} is {got}; accepted: {accepts}")]
    Value {
        /// Whose value.
        what: String,
        /// The value.
        got: String,
        /// What is accepted.
        accepts: String,
    },
    /// A schedule without knots.
    #[error(transparent)]
    Schedule(#[from] flow::Error),
    /// The drawing library gave up.
    #[error("drawing failed: {reason}")]
    Drawing {
        /// What it said.
        reason: String,
    },
    /// The file system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Whether a figure can be written under this name; good to ask before a long computation.
///
/// # Errors
/// A name that does not end in `.svg`.
pub fn check_name(path: &Path) -> Result<(), PlotError> {
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("svg")) {
        return Ok(());
    }
    Err(PlotError::Ending { got: path.display().to_string() })
}

/// Writes a figure's text, whole or not at all; folders that are missing are made.
///
/// # Errors
/// A name that does not end in `.svg`, or a file that cannot be written.
pub fn write(path: &Path, svg: &str) -> Result<(), PlotError> {
    check_name(path)?;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    Ok(write_atomically(path, svg.as_bytes())?)
}

#[cfg(test)]
mod testing {
    //! Reading figures back.

    use roxmltree::{Document, Node};

    /// The document of a figure, which must be XML.
    pub(super) fn parse(svg: &str) -> Document<'_> {
        Document::parse(svg).unwrap()
    }

    /// The groups of a class, in the order of the file.
    pub(super) fn in_class<'a>(document: &'a Document<'_>, class: &str) -> Vec<Node<'a, 'a>> {
        document.descendants().filter(|n| n.attribute("class") == Some(class)).collect()
    }

    /// The numbers of a list of points.
    pub(super) fn numbers(points: &str) -> Vec<f64> {
        points.split([' ', ',']).filter(|n| !n.is_empty()).map(|n| n.parse().unwrap()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_written_whole_under_its_name_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/figure.svg");
        write(&path, "<svg/>").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "<svg/>");
        let error = write(&folder.path().join("figure.pdf"), "<svg/>").unwrap_err();
        assert!(matches!(error, PlotError::Ending { .. }), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
