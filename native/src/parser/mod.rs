//! PostgreSQL's own parser for the planner: statements, what they name, and errors in PostgreSQL's words.

mod characters;
mod libpg_query;
mod place;
mod split;
mod tree;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use characters::Characters;
use libpg_query::{ParseError, parse_to_json};
use tree::{Names, RawStmt, RelationName};

pyo3::create_exception!(
    lakegate_native,
    SqlParseError,
    PyValueError,
    "A text that PostgreSQL's parser refuses: `message` in its own words, `position` in characters from 1, or None."
);

impl From<ParseError> for PyErr {
    fn from(error: ParseError) -> Self {
        Python::attach(|py| {
            let raised = SqlParseError::new_err((error.message.clone(), error.position));
            let value = raised.value(py);
            let attributes =
                value.setattr("message", error.message).and_then(|()| value.setattr("position", error.position));
            attributes.err().unwrap_or(raised)
        })
    }
}

fn too_deep() -> ParseError {
    ParseError { message: "stack depth limit exceeded".to_owned(), position: None }
}

/// A relation that a statement names; `position` counts characters from 1 into the source (None: DROP, COMMENT).
///
/// `role`: its rows are read ("read"); it is the target of INSERT, UPDATE, DELETE, MERGE, TRUNCATE or COPY FROM ("write");
/// the statement makes it ("create"); or any other statement names it ("object").
#[pyclass(frozen, get_all, eq, hash, module = "lakegate_native")]
#[derive(PartialEq, Eq, Hash)]
pub struct Relation {
    catalog: Option<String>,
    schema: Option<String>,
    name: String,
    alias: Option<String>,
    position: Option<usize>,
    role: &'static str,
}

#[pymethods]
impl Relation {
    fn __repr__(&self) -> String {
        let parts = [self.catalog.as_deref(), self.schema.as_deref(), Some(self.name.as_str())];
        let name: Vec<&str> = parts.into_iter().flatten().collect();
        format!("<Relation {} {:?}>", self.role, name.join("."))
    }
}

/// One statement of a text.
///
/// `text` is the source without surrounding blanks, `offset` the characters of the source before it. `node` is the type of
/// its parse node (PostgreSQL's `parsenodes.h`). `relations` leaves out references to CTEs. `functions` are the called
/// ones as (schema, name).
#[pyclass(frozen, module = "lakegate_native")]
pub struct ParsedStatement {
    #[pyo3(get)]
    text: String,
    #[pyo3(get)]
    offset: usize,
    #[pyo3(get)]
    node: String,
    #[pyo3(get)]
    relations: Vec<Py<Relation>>,
    #[pyo3(get)]
    functions: Vec<(Option<String>, String)>,
}

#[pymethods]
impl ParsedStatement {
    /// The raw parse tree as libpg_query's JSON, parsed anew at each call. Locations are bytes into `text`.
    #[getter]
    fn tree(&self, py: Python<'_>) -> PyResult<String> {
        let json = py.detach(|| parse_to_json(&self.text))?;
        let statements = tree::split_tree(&json).ok_or_else(too_deep)?;
        Ok(statements.first().map_or_else(|| "{}".to_owned(), |raw| raw.stmt.get().to_owned()))
    }

    fn __repr__(&self) -> String {
        format!("<ParsedStatement {} at {}>", self.node, self.offset)
    }
}

/// Parses a text of any number of statements by PostgreSQL 18's grammar. Raises SqlParseError.
///
/// A tree that nests too deeply is refused with `stack depth limit exceeded` and no position.
#[pyfunction]
pub fn parse_statements(py: Python<'_>, sql: &Bound<'_, PyString>) -> PyResult<Vec<ParsedStatement>> {
    let sql = utf8(sql)?;
    let found = py.detach(|| find_statements(sql))?;
    let characters = Characters::new(sql);
    found.into_iter().map(|statement| statement.into_python(py, &characters)).collect()
}

/// Where the statements are, as (start, end) in characters, by PostgreSQL's scanner alone: they need not parse.
///
/// Empty statements are left out. Raises SqlParseError for what the scanner refuses (an unterminated string).
#[pyfunction]
pub fn split_statements(py: Python<'_>, sql: &Bound<'_, PyString>) -> PyResult<Vec<(usize, usize)>> {
    let sql = utf8(sql)?;
    let statements = py.detach(|| match pg_query::scan_tokens(sql) {
        Ok(tokens) => Ok(split::split(&tokens)),
        Err(error) => Err(scan_error(sql, &error)),
    })?;
    let characters = Characters::new(sql);
    Ok(statements.into_iter().map(|(start, end)| (characters.before(start), characters.before(end))).collect())
}

fn utf8<'s>(sql: &'s Bound<'_, PyString>) -> PyResult<&'s str> {
    sql.to_str().map_err(|_| {
        let message = "invalid byte sequence for encoding \"UTF8\"".to_owned();
        ParseError { message, position: None }.into()
    })
}

/// The scanner's error with the position that the parser gives it.
fn scan_error(sql: &str, error: &pg_query::Error) -> ParseError {
    let unplaced = || ParseError { message: error.to_string(), position: None };
    parse_to_json(sql).err().unwrap_or_else(unplaced)
}

struct Statement<'s> {
    text: &'s str,
    byte: usize,
    names: Names,
}

fn find_statements(sql: &str) -> Result<Vec<Statement<'_>>, ParseError> {
    let json = parse_to_json(sql)?;
    let statements = tree::split_tree(&json).ok_or_else(too_deep)?;
    statements.into_iter().map(|raw| Statement::new(sql, &raw)).collect()
}

impl<'s> Statement<'s> {
    fn new(sql: &'s str, raw: &RawStmt) -> Result<Self, ParseError> {
        let end = if raw.stmt_len == 0 { sql.len() } else { raw.stmt_location + raw.stmt_len };
        let text = &sql[raw.stmt_location..end];
        let byte = raw.stmt_location + text.len() - text.trim_start().len();
        let unreadable = |error: serde_json::Error| ParseError { message: error.to_string(), position: None };
        Ok(Self { text: text.trim(), byte, names: tree::find_names(raw.stmt).map_err(unreadable)? })
    }

    fn into_python(self, py: Python<'_>, characters: &Characters) -> PyResult<ParsedStatement> {
        let Names { node, relations, functions, .. } = self.names;
        let relations = relations.into_iter().map(|name| Py::new(py, relation(name, characters)));
        Ok(ParsedStatement {
            text: self.text.to_owned(),
            offset: characters.before(self.byte),
            node,
            relations: relations.collect::<PyResult<_>>()?,
            functions,
        })
    }
}

fn relation(found: RelationName, characters: &Characters) -> Relation {
    let RelationName { catalog, schema, name, alias, byte, role, .. } = found;
    let position = byte.map(|byte| characters.before(byte) + 1);
    Relation { catalog, schema, name, alias, position, role: role.name() }
}
