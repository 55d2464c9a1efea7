//! The C interface of libpg_query, PostgreSQL's raw parser as a library.
//!
//! The safe API of the crate `pg_query` drops the error's cursor position and offers no JSON, so the two functions that
//! give both are declared here. libpg_query keeps its state in thread-local variables and checks its own stack depth.

use std::ffi::{CStr, CString, c_char, c_int};

// Links the static library.
use pg_query as _;

#[repr(C)]
struct PgQueryError {
    message: *mut c_char,
    funcname: *mut c_char,
    filename: *mut c_char,
    lineno: c_int,
    cursorpos: c_int,
    context: *mut c_char,
}

#[repr(C)]
struct PgQueryParseResult {
    parse_tree: *mut c_char,
    stderr_buffer: *mut c_char,
    error: *mut PgQueryError,
}

unsafe extern "C" {
    fn pg_query_parse(input: *const c_char) -> PgQueryParseResult;
    fn pg_query_free_parse_result(result: PgQueryParseResult);
}

/// What PostgreSQL says about a text that is not SQL. `position` counts characters from 1.
#[derive(Debug)]
pub struct ParseError {
    pub message: String,
    pub position: Option<usize>,
}

/// Parses a text of any number of statements. Returns libpg_query's JSON of the raw parse tree.
pub fn parse_to_json(sql: &str) -> Result<String, ParseError> {
    let input = CString::new(sql).map_err(|nul| ParseError {
        message: "invalid byte sequence for encoding \"UTF8\": 0x00".to_owned(),
        position: Some(sql[..nul.nul_position()].chars().count() + 1),
    })?;
    // SAFETY: `input` ends with NUL and outlives the call. The result is either a tree or an error, both C strings
    // that stay valid until the result is freed below, after its last use.
    unsafe {
        let result = pg_query_parse(input.as_ptr());
        let outcome = match result.error.as_ref() {
            Some(error) => Err(ParseError {
                message: CStr::from_ptr(error.message).to_string_lossy().into_owned(),
                position: usize::try_from(error.cursorpos).ok().filter(|&position| position > 0),
            }),
            None => Ok(CStr::from_ptr(result.parse_tree).to_string_lossy().into_owned()),
        };
        pg_query_free_parse_result(result);
        outcome
    }
}
