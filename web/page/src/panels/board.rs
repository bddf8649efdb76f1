//! A board to draw on, with pen, mouse or finger; and to rub out, which leaves a part for the model to fill in.

use crate::canvas::{self, Painter, Palette, Show as Drawn};
use crate::easel::{Drawing, Point, SIDE};
use crate::session::Session;
use leptos::html;
use leptos::prelude::*;

/// The eraser's radius in pixels of the picture.
const ERASER: f64 = 2.2;

/// What the pointer does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Tool {
    /// Draws ink.
    #[default]
    Pen,
    /// Rubs out.
    Eraser,
}

/// What is on the board.
#[derive(Clone, Copy)]
pub(crate) struct Board {
    /// Strokes, on a board whose side is 1.
    drawing: RwSignal<Drawing>,
    /// A finished picture in the strokes' place.
    taken: RwSignal<Option<Vec<u8>>>,
    /// Which pixels are rubbed out; nonzero where they are.
    pub(crate) hidden: RwSignal<Vec<u8>>,
    /// What the pointer does.
    pub(crate) tool: RwSignal<Tool>,
}

impl Board {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self {
            drawing: RwSignal::new(Drawing::default()),
            taken: RwSignal::new(None),
            hidden: RwSignal::new(vec![0; SIDE * SIDE]),
            tool: RwSignal::new(Tool::Pen),
        }
    }

    /// The picture in the manner that the network knows; `None` of an empty board.
    pub(crate) fn picture(self) -> Option<Vec<u8>> {
        self.taken.get().or_else(|| self.drawing.with(|drawing| drawing.as_mnist(1.0)))
    }

    /// Whether there is nothing on it.
    pub(crate) fn is_empty(self) -> bool {
        self.taken.with(Option::is_none) && self.drawing.with(Drawing::is_empty)
    }

    /// Puts a finished picture on it.
    pub(crate) fn take(self, picture: Vec<u8>) {
        self.clear();
        self.taken.set(Some(picture));
    }

    /// Wipes it.
    pub(crate) fn clear(self) {
        self.drawing.set(Drawing::default());
        self.taken.set(None);
        self.hidden.set(vec![0; SIDE * SIDE]);
        self.tool.set(Tool::Pen);
    }

    /// Takes the last stroke back, or the picture, or what was rubbed out of it.
    pub(crate) fn undo(self) {
        if self.hidden.with_untracked(|hidden| hidden.iter().any(|pixel| *pixel > 0)) {
            self.hidden.set(vec![0; SIDE * SIDE]);
        } else if self.taken.with_untracked(Option::is_some) {
            self.taken.set(None);
        } else {
            self.drawing.update(|drawing| {
                drawing.undo();
            });
        }
    }

    /// Rubs out all pixels of which a function of row and column says so.
    pub(crate) fn hide(self, is_hidden: impl Fn(usize, usize) -> bool) {
        self.settle();
        self.hidden.set((0..SIDE * SIDE).map(|i| u8::from(is_hidden(i / SIDE, i % SIDE)) * 255).collect());
    }

    /// Takes a tool into the hand.
    pub(crate) fn hold(self, tool: Tool) {
        if tool == Tool::Eraser {
            self.settle();
        }
        self.tool.set(tool);
    }

    /// What is rubbed out belongs to places of the picture, so that the strokes have to be one.
    fn settle(self) {
        if let Some(picture) = untrack(|| self.picture()) {
            self.taken.set(Some(picture));
        }
    }

    fn touch(self, at: Point, begins: bool) {
        if self.tool.get_untracked() == Tool::Eraser {
            self.settle();
            let side = SIDE as f64;
            self.hidden.update(|hidden| {
                for (i, pixel) in hidden.iter_mut().enumerate() {
                    let (x, y) = ((i % SIDE) as f64 + 0.5, (i / SIDE) as f64 + 0.5);
                    if (x - at.x * side).hypot(y - at.y * side) <= ERASER {
                        *pixel = 255;
                    }
                }
            });
        } else {
            // A drawing begins on an empty board.
            if begins && self.taken.with_untracked(Option::is_some) {
                self.clear();
            }
            self.drawing.update(|drawing| if begins { drawing.begin(at) } else { drawing.go_on(at) });
        }
    }

    /// What is seen: the strokes as they are drawn, or the finished picture.
    fn seen(self) -> Vec<u8> {
        self.taken.get().unwrap_or_else(|| self.drawing.with(|drawing| drawing.as_drawn(1.0)))
    }
}

/// The board's surface.
#[component]
pub(crate) fn Surface(
    /// What is on it.
    board: Board,
    /// The pointer was lifted: a stroke is done.
    lifted: impl Fn() + Copy + 'static,
) -> impl IntoView {
    let session = expect_context::<Session>();
    let place = NodeRef::<html::Div>::new();
    let canvas = NodeRef::<html::Canvas>::new();
    let space = canvas::space(place, RwSignal::new(0));
    let painter = StoredValue::new_local(Painter::default());
    // The pointer that draws; others are passed over meanwhile.
    let down = StoredValue::new(None::<i32>);
    Effect::new(move |_| {
        session.appearance.track();
        let (seen, hidden, space) = (board.seen(), board.hidden.get(), space.get());
        let (Some(place), Some(canvas)) = (place.get(), canvas.get()) else { return };
        if space > 0.0 {
            let palette = Palette::read(&place);
            painter.update_value(|painter| {
                painter.draw(&canvas, Drawn::Masked(&seen, &hidden), space, palette);
            });
        }
    });
    let at = move |event: &leptos::ev::PointerEvent| {
        let area = canvas.get_untracked()?.get_bounding_client_rect();
        let part = |at: f64, from: f64, length: f64| (at - from) / length.max(1.0);
        Some(Point {
            x: part(f64::from(event.client_x()), area.left(), area.width()),
            y: part(f64::from(event.client_y()), area.top(), area.height()),
        })
    };
    let begin = move |event: leptos::ev::PointerEvent| {
        if down.get_value().is_some() {
            return;
        }
        if let (Some(point), Some(canvas)) = (at(&event), canvas.get_untracked()) {
            event.prevent_default();
            // Without it the stroke ends at the board's edge, which is no harm.
            let _ = canvas.set_pointer_capture(event.pointer_id());
            down.set_value(Some(event.pointer_id()));
            board.touch(point, true);
        }
    };
    let go_on = move |event: leptos::ev::PointerEvent| {
        if let Some(point) = at(&event).filter(|_| down.get_value() == Some(event.pointer_id())) {
            board.touch(point, false);
        }
    };
    let end = move |event: leptos::ev::PointerEvent| {
        if down.get_value() == Some(event.pointer_id()) {
            down.set_value(None);
            lifted();
        }
    };
    view! {
        <div class="screen board" node_ref=place>
            <canvas node_ref=canvas role="img" data-testid="board"
                aria-label="A board to draw a digit on with a pointer; the buttons below put one there without"
                on:pointerdown=begin on:pointermove=go_on on:pointerup=end on:pointercancel=end></canvas>
            {move || board.is_empty().then(|| view! { <p class="hint" aria-hidden="true">"Draw a digit here"</p> })}
        </div>
    }
}
