//! What the reader looks at. One panel a file.

mod badge;
mod colophon;
mod notices;
mod screen;
mod timeline;

pub(crate) use badge::Badge;
pub(crate) use colophon::Colophon;
pub(crate) use notices::Notices;
pub(crate) use screen::Screen;
pub(crate) use timeline::Timeline;
