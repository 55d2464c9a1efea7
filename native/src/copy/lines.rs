//! Where lines end, as `CopyReadLineText` finds it: a scan that goes on where it stopped when more bytes come.

use memchr::memchr3;

use super::fault::CopyFault;

/// What the first line ended in, and all others must.
#[derive(Clone, Copy, PartialEq)]
enum Ending {
    Unknown,
    Newline,
    Return,
    Both,
}

#[derive(PartialEq, Debug)]
pub enum Found {
    /// Ends before `end`; the next one begins at `next`.
    Line { end: usize, next: usize },
    /// The end-of-data marker.
    Marker,
    /// The line is not whole.
    More,
}

/// The scan of one line after the other. `quoting` is CSV's quote and escape.
pub struct Lines {
    ending: Ending,
    quoting: Option<(u8, u8)>,
    at: usize,
    in_quote: bool,
    escaped: bool,
    /// Line ends inside quotes of the line that is read.
    pub inner: u64,
}

impl Lines {
    pub fn new(quoting: Option<(u8, u8)>) -> Self {
        Self { ending: Ending::Unknown, quoting, at: 0, in_quote: false, escaped: false, inner: 0 }
    }

    /// The line that begins at the front of `bytes`, which only grow until it is found. `last`: nothing follows them.
    pub fn find(&mut self, bytes: &[u8], last: bool) -> Result<Found, CopyFault> {
        let found = match self.quoting {
            None => self.find_text(bytes, last)?,
            Some((quote, escape)) => self.find_csv(bytes, last, quote, escape)?,
        };
        let found = match found {
            Found::More if last && !bytes.is_empty() => Found::Line { end: bytes.len(), next: bytes.len() },
            found => found,
        };
        if found != Found::More {
            (self.at, self.in_quote, self.escaped) = (0, false, false);
        }
        Ok(found)
    }

    fn find_text(&mut self, bytes: &[u8], last: bool) -> Result<Found, CopyFault> {
        while let Some(found) = memchr3(b'\n', b'\r', b'\\', &bytes[self.at..]) {
            self.at += found;
            let next = bytes.get(self.at + 1);
            if bytes[self.at] != b'\\' {
                return self.end(bytes, last);
            }
            match next {
                None => return Ok(Found::More),
                Some(b'.') => return self.marker(bytes, last),
                Some(_) => self.at += 2,
            }
        }
        self.at = bytes.len();
        Ok(Found::More)
    }

    fn find_csv(&mut self, bytes: &[u8], last: bool, quote: u8, escape: u8) -> Result<Found, CopyFault> {
        // An escape that is the quote itself only toggles.
        let escape = (escape != quote).then_some(escape);
        while let Some(&byte) = bytes.get(self.at) {
            if byte == b'\r' && self.at + 1 == bytes.len() && !last {
                break;
            }
            if self.in_quote && Some(byte) == escape {
                self.escaped = !self.escaped;
            }
            if byte == quote && !self.escaped {
                self.in_quote = !self.in_quote;
            }
            if Some(byte) != escape {
                self.escaped = false;
            }
            let counted = if self.ending == Ending::Newline { b'\n' } else { b'\r' };
            self.inner += u64::from(self.in_quote && byte == counted);
            if !self.in_quote && matches!(byte, b'\n' | b'\r') {
                return self.end(bytes, last);
            }
            self.at += 1;
        }
        Ok(Found::More)
    }

    /// A carriage return or newline at `at`.
    fn end(&mut self, bytes: &[u8], last: bool) -> Result<Found, CopyFault> {
        let (end, is_newline) = (self.at, bytes[self.at] == b'\n');
        if is_newline {
            if matches!(self.ending, Ending::Return | Ending::Both) {
                return Err(self.unexpected("newline", "Use \"\\n\" to represent newline."));
            }
            self.ending = Ending::Newline;
            return Ok(Found::Line { end, next: end + 1 });
        }
        if matches!(self.ending, Ending::Unknown | Ending::Both) {
            match bytes.get(end + 1) {
                None if !last => return Ok(Found::More),
                Some(b'\n') => {
                    self.ending = Ending::Both;
                    return Ok(Found::Line { end, next: end + 2 });
                }
                _ if self.ending == Ending::Unknown => self.ending = Ending::Return,
                _ => {}
            }
        }
        if self.ending != Ending::Return {
            return Err(self.unexpected("carriage return", "Use \"\\r\" to represent carriage return."));
        }
        Ok(Found::Line { end, next: end + 1 })
    }

    fn unexpected(&self, what: &str, hint: &'static str) -> CopyFault {
        match (self.quoting, what) {
            (None, _) => CopyFault::hinted(format!("literal {what} found in data"), hint),
            (Some(_), "newline") => {
                CopyFault::hinted("unquoted newline found in data", "Use quoted CSV field to represent newline.")
            }
            (Some(_), _) => CopyFault::hinted(
                "unquoted carriage return found in data",
                "Use quoted CSV field to represent carriage return.",
            ),
        }
    }

    /// `\.` at `at`, which only counts as a line of its own.
    fn marker(&self, bytes: &[u8], last: bool) -> Result<Found, CopyFault> {
        let alone = || CopyFault::new("end-of-copy marker is not alone on its line");
        let style = || CopyFault::new("end-of-copy marker does not match previous newline style");
        let mut rest = bytes[self.at + 2..].iter().copied();
        let mut next = || rest.next().or(last.then_some(0));
        if self.ending == Ending::Both {
            match next() {
                None => return Ok(Found::More),
                Some(b'\n') => return Err(style()),
                Some(b'\r') => {}
                Some(_) => return Err(alone()),
            }
        }
        match (self.ending, next()) {
            (_, None) => Ok(Found::More),
            (Ending::Newline | Ending::Both, Some(b'\r')) | (Ending::Return, Some(b'\n')) => Err(style()),
            (_, Some(b'\r' | b'\n')) if self.at == 0 => Ok(Found::Marker),
            _ => Err(alone()),
        }
    }
}
