//! kerolox

fn main() {}
