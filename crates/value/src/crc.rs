//! CRC-32 (ISO 3309) for stores in a page. `crc32fast` is several times faster, but its tables cost each page 16 KB; natively it
//! checks files.

use std::sync::OnceLock;

/// A checksum in progress.
#[derive(Clone, Copy, Debug)]
pub struct Crc32(u32);

impl Default for Crc32 {
    fn default() -> Self {
        Self(!0)
    }
}

impl Crc32 {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let table = table();
        self.0 = bytes.iter().fold(self.0, |crc, byte| table[usize::from(crc as u8 ^ byte)] ^ (crc >> 8));
    }

    /// Returns the checksum of all bytes.
    pub fn finish(self) -> u32 {
        !self.0
    }
}

/// Returns the remainders of all bytes, by the reversed polynomial 0xEDB88320.
fn table() -> &'static [u32; 256] {
    static TABLE: OnceLock<[u32; 256]> = OnceLock::new();
    TABLE.get_or_init(|| {
        let step = |crc: u32, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
        std::array::from_fn(|byte| (0..8).fold(byte as u32, step))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn checksums_equal_those_of_crc32fast(first: Vec<u8>, second: Vec<u8>) {
            let mut crc = Crc32::default();
            crc.update(&first);
            crc.update(&second);
            prop_assert_eq!(crc.finish(), crc32fast::hash(&[first, second].concat()));
        }
    }
}
