//! Byte offsets of a text as character offsets, in constant time.

const STRIDE: usize = 1024;

/// An index over one text. PostgreSQL's parser counts bytes, its protocol and Python count characters.
pub struct Characters<'s> {
    text: &'s str,
    /// Characters before each multiple of `STRIDE` bytes; empty where every character is one byte.
    before: Vec<usize>,
}

impl<'s> Characters<'s> {
    pub fn new(text: &'s str) -> Self {
        let before = if text.is_ascii() { Vec::new() } else { count_strides(text) };
        Self { text, before }
    }

    /// Characters before the byte offset.
    pub fn before(&self, byte: usize) -> usize {
        let byte = byte.min(self.text.len());
        match self.before.get(byte / STRIDE) {
            Some(&counted) => counted + count(&self.text.as_bytes()[byte / STRIDE * STRIDE..byte]),
            None => byte,
        }
    }
}

fn count_strides(text: &str) -> Vec<usize> {
    let running = text.as_bytes().chunks(STRIDE).scan(0, |characters, stride| {
        *characters += count(stride);
        Some(*characters)
    });
    std::iter::once(0).chain(running).collect()
}

/// Characters that start in these bytes of a UTF-8 text.
fn count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte & 0xC0 != 0x80).count()
}
