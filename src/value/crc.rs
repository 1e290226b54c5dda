//! CRC-32 for stores in a page. `crc32fast` is several times faster, by tables of 16 KB that every page would load; it is what files are checked by.

use std::sync::OnceLock;

/// A checksum on the way.
#[derive(Clone, Copy, Debug)]
pub struct Crc32(u32);

impl Default for Crc32 {
    fn default() -> Self {
        Self(!0)
    }
}

impl Crc32 {
    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let table = table();
        self.0 = bytes.iter().fold(self.0, |crc, byte| table[usize::from(crc as u8 ^ byte)] ^ (crc >> 8));
    }

    /// The checksum of all bytes.
    pub fn finish(self) -> u32 {
        !self.0
    }
}

/// What each last byte does to the others.
fn table() -> &'static [u32; 256] {
    static MADE: OnceLock<[u32; 256]> = OnceLock::new();
    MADE.get_or_init(|| {
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
        fn it_is_the_one_of_files(first: Vec<u8>, second: Vec<u8>) {
            let mut crc = Crc32::default();
            crc.update(&first);
            crc.update(&second);
            prop_assert_eq!(crc.finish(), crc32fast::hash(&[first, second].concat()));
        }
    }
}
