//! What the reader looks at. One panel a file.

mod badge;
mod board;
mod colophon;
mod compare;
mod notices;
mod own;
mod reference;
mod results;
mod screen;
mod stage;
mod takeaway;
mod timeline;
mod tries;
mod views;

pub(crate) use badge::Badge;
pub(crate) use colophon::Colophon;
pub(crate) use compare::Compare;
pub(crate) use notices::Notices;
pub(crate) use own::Own;
pub(crate) use results::Results;
pub(crate) use screen::Screen;
pub(crate) use stage::Stage;
pub(crate) use takeaway::TakeAway;
pub(crate) use timeline::Timeline;
pub(crate) use tries::{Row, Tries};
pub(crate) use views::Views;
