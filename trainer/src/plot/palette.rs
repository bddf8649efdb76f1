//! Colours that stay apart for colour-blind readers on a white page: Okabe and Ito 2008 (its yellow left out, which white
//! swallows) and darker ones behind, and a diverging scale of blue and orange for signed values.

use plotters::style::RGBColor;

/// Text.
pub(super) const TEXT: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// Text of less weight: captions, ticks.
pub(super) const QUIET: RGBColor = RGBColor(0x5c, 0x5c, 0x5c);
/// Lines of a grid.
pub(super) const GRID: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);
/// Lines of an axis and what is drawn for orientation only.
pub(super) const FRAME: RGBColor = RGBColor(0xa8, 0xa8, 0xa8);

/// Twelve categories.
const CATEGORIES: [RGBColor; 12] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x22, 0x22, 0x22),
    RGBColor(0x8c, 0x51, 0x0a),
    RGBColor(0x88, 0x88, 0x88),
    RGBColor(0x54, 0x27, 0x88),
    RGBColor(0x80, 0x80, 0x00),
    RGBColor(0x01, 0x50, 0x50),
];

/// The colour of category number `index`; they come again after twelve.
pub(super) fn category(index: usize) -> RGBColor {
    CATEGORIES[index % CATEGORIES.len()]
}

/// A signed share: blue at -1, white at 0, orange at 1; clamped outside, and in `levels` steps a side, so that a
/// picture of it has few colours.
pub(super) fn signed(share: f64, levels: u32) -> RGBColor {
    let blue = [0x05, 0x5c, 0x9d];
    let orange = [0xd9, 0x5f, 0x02];
    let share = stepped(share.clamp(-1.0, 1.0), levels);
    blend([0xff; 3], if share < 0.0 { blue } else { orange }, share.abs())
}

/// Ink on paper: white at 0 and near black at 1, in `levels` steps.
pub(super) fn ink(share: f64, levels: u32) -> RGBColor {
    blend([0xff; 3], [0x1c; 3], stepped(share.clamp(0.0, 1.0), levels))
}

fn stepped(share: f64, levels: u32) -> f64 {
    (share * f64::from(levels)).round() / f64::from(levels)
}

fn blend(from: [u8; 3], to: [u8; 3], share: f64) -> RGBColor {
    let at = |i: usize| (f64::from(from[i]) + share * (f64::from(to[i]) - f64::from(from[i]))).round() as u8;
    RGBColor(at(0), at(1), at(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_the_paper_and_signs_are_blue_and_orange() {
        assert_eq!(signed(0.0, 8), RGBColor(255, 255, 255));
        let (less, more) = (signed(-2.0, 8), signed(2.0, 8));
        assert!(less.2 > less.0 && more.0 > more.2, "{less:?} {more:?}");
        assert_eq!(ink(-1.0, 8), RGBColor(255, 255, 255));
        assert_eq!(ink(f64::INFINITY, 8), RGBColor(0x1c, 0x1c, 0x1c));
    }

    #[test]
    fn twelve_categories_are_twelve_colours() {
        for i in 0..12 {
            for j in 0..i {
                assert_ne!(category(i), category(j));
            }
        }
        assert_eq!(category(12), category(0));
    }
}
