//! Functions of real numbers, the same on every machine.
//!
//! `libm` computes them in Rust, to the same bits everywhere. In a browser the standard library does exactly that already, with the
//! same code, and other parts of the program bring it along: to link it a second time costs every reader its bytes.

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident($($x:ident),+) = $std:ident;)+) => {$(
        $(#[$doc])*
        pub(crate) fn $name($($x: f64),+) -> f64 {
            #[cfg(not(target_family = "wasm"))]
            return libm::$name($($x),+);
            #[cfg(target_family = "wasm")]
            return f64::$std($($x),+);
        }
    )+};
}

functions! {
    /// Sine of radians.
    sin(x) = sin;
    /// Cosine of radians.
    cos(x) = cos;
    /// e to the power.
    exp(x) = exp;
    /// The first to the power of the second.
    pow(x, y) = powf;
}
