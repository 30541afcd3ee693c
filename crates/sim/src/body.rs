//! Bodies of simulated messages: all of a body follows from the id in it, so that a damaged one is noticed.

use store::disk::recorded::Rng;

/// Ids with this bit have bodies of one size.
pub const UNIFORM: u64 = 1 << 63;

/// The longest body, in bytes.
const LEN_MAX: usize = 1_500;

/// The body of message `id`: the id, and bytes and a length that follow from it.
#[must_use]
pub fn of(id: u64) -> Vec<u8> {
    let mut rng = Rng::new(id);
    let words = if id & UNIFORM != 0 { 25 } else { 1 + rng.below(LEN_MAX / 8) };
    let mut body = id.to_be_bytes().to_vec();
    (0..words).for_each(|_| body.extend_from_slice(&rng.draw().to_be_bytes()));
    body
}

/// The id of a body that is whole.
#[must_use]
pub fn id_of(body: &[u8]) -> Option<u64> {
    let id = u64::from_be_bytes(body.get(..8)?.try_into().ok()?);
    (of(id) == body).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_tells_its_id_unless_one_bit_of_it_is_wrong() {
        let mut body = of(77);
        assert_eq!(id_of(&body), Some(77));
        let last = body.len() - 1;
        body[last] ^= 1;
        assert_eq!(id_of(&body), None);
        assert_eq!(id_of(b"short"), None);
    }
}
