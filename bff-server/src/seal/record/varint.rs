//! Numbers in as few bytes as they need: seven bits each, the lowest first, the highest bit of all but the last set.

/// Appends `number`.
pub(super) fn write(mut number: u64, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    to.push(number.to_le_bytes()[0]);
}

/// Takes a number off the front.
pub(super) fn read(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_reads_back_and_leaves_what_follows() {
        for number in [0, 1, 0x7f, 0x80, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            write(number, &mut bytes);
            bytes.push(7);
            let mut rest = bytes.as_slice();
            assert_eq!((read(&mut rest), rest), (Some(number), &[7][..]));
        }
    }

    #[test]
    fn a_number_that_is_cut_or_too_large_is_none() {
        for bytes in [&[][..], &[0x80], &[0xff; 9], &[0xff; 10], &[0xff; 20]] {
            assert_eq!(read(&mut &*bytes), None, "{bytes:?}");
        }
    }
}
