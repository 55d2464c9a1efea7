//! Where statements begin and end, by PostgreSQL's scanner alone: the text need not parse.

use pg_query::protobuf::{ScanToken, Token};

/// The byte ranges of the statements: from the first token to the last, without the semicolon. Empty ones are left out.
///
/// A semicolon inside parentheses (CREATE RULE) or between BEGIN ATOMIC and its END (an SQL routine's body) ends none.
pub fn split(tokens: &[ScanToken]) -> Vec<(usize, usize)> {
    let mut statements = Vec::new();
    let mut open: Option<(i32, i32)> = None;
    let mut nesting = Nesting::default();
    for scanned in tokens {
        let token = scanned.token();
        match token {
            Token::SqlComment | Token::CComment => continue,
            Token::Ascii59 if nesting.is_outermost() => {
                statements.extend(open.take());
                nesting = Nesting::default();
                continue;
            }
            _ => nesting.enter(token),
        }
        open = Some((open.map_or(scanned.start, |(start, _)| start), scanned.end));
    }
    statements.extend(open);
    statements.into_iter().map(|(start, end)| (start as usize, end as usize)).collect()
}

/// Parentheses, and what END closes once BEGIN ATOMIC was seen.
#[derive(Default)]
struct Nesting {
    parentheses: usize,
    blocks: usize,
    begun: bool,
}

impl Nesting {
    fn is_outermost(&self) -> bool {
        self.parentheses == 0 && self.blocks == 0
    }

    fn enter(&mut self, token: Token) {
        match token {
            Token::Ascii40 => self.parentheses += 1,
            Token::Ascii41 => self.parentheses = self.parentheses.saturating_sub(1),
            Token::Atomic if self.begun => self.blocks += 1,
            Token::Case if self.blocks > 0 => self.blocks += 1,
            Token::EndP if self.blocks > 0 => self.blocks -= 1,
            _ => {}
        }
        self.begun = token == Token::BeginP;
    }
}
