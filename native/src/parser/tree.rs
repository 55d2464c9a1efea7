//! What the statements of a parse tree name: relations and called functions.
//!
//! libpg_query's JSON is walked as a stream, so a long list costs no memory. Every `RangeVar` is found wherever it hides
//! (DECLARE, PREPARE, EXPLAIN, COPY, sub-selects, routine bodies), because the walk knows no statement kinds: only where
//! a role or a scope depends on the place is the place named. A CTE's name hides the relations that it stands for, by
//! the scope rules of PostgreSQL's `parse_cte.c`.

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::place::{Place, Role, names_relation};

/// Objects and lists inside each other, at most. Two or three of them make one level of an expression.
const MAX_DEPTH: usize = 2000;

/// A relation named by a statement. `byte` is where its name starts, if the tree tells.
#[derive(Debug)]
pub struct RelationName {
    pub catalog: Option<String>,
    pub schema: Option<String>,
    pub name: String,
    pub alias: Option<String>,
    pub byte: Option<usize>,
    pub role: Role,
    is_cte: bool,
}

/// What one statement names.
#[derive(Default)]
pub struct Names {
    pub node: String,
    pub relations: Vec<RelationName>,
    pub functions: Vec<(Option<String>, String)>,
    ctes: Vec<(String, Range<usize>)>,
}

#[derive(Deserialize)]
struct ParseTree<'j> {
    #[serde(borrow, default)]
    stmts: Vec<RawStmt<'j>>,
}

/// One statement's tree, and the bytes of the source that it came from (length 0: to the end).
#[derive(Deserialize)]
pub struct RawStmt<'j> {
    #[serde(borrow)]
    pub stmt: &'j RawValue,
    #[serde(default)]
    pub stmt_location: usize,
    #[serde(default)]
    pub stmt_len: usize,
}

/// The statements of libpg_query's JSON, or None where it nests too deeply to walk.
pub fn split_tree(json: &str) -> Option<Vec<RawStmt<'_>>> {
    if depth(json) > MAX_DEPTH {
        return None;
    }
    serde_json::from_str::<ParseTree>(json).ok().map(|tree| tree.stmts)
}

fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The names in one statement's tree.
pub fn find_names(stmt: &RawValue) -> serde_json::Result<Names> {
    let mut names = Names::default();
    let mut json = serde_json::Deserializer::from_str(stmt.get());
    json.disable_recursion_limit();
    Walk { names: &mut names, place: Place::default() }.deserialize(&mut json)?;
    names.relations.retain(|relation| !relation.is_cte);
    names.relations.sort_by_key(|relation| relation.byte);
    Ok(names)
}

/// A value that the object around it may care for.
enum Leaf<'de> {
    Other,
    True,
    Number(i64),
    Text(Cow<'de, str>),
    Alias(String),
    With(With),
}

/// A WITH clause: its names, each with the range of relations found in its query.
struct With {
    recursive: bool,
    ctes: Vec<(String, Range<usize>)>,
}

#[derive(Deserialize)]
struct NamePart {
    #[serde(rename = "String")]
    string: Option<Sval>,
}

#[derive(Deserialize)]
struct Sval {
    #[serde(default)]
    sval: String,
}

#[derive(Deserialize)]
struct ObjectName {
    #[serde(rename = "List")]
    list: Option<Items>,
}

#[derive(Deserialize)]
struct Items {
    items: Vec<NamePart>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ObjectNames {
    Many(Vec<ObjectName>),
    One(ObjectName),
}

struct Walk<'w, 'p> {
    names: &'w mut Names,
    place: Place<'p>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = Leaf<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<Leaf<'de>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = Leaf<'de>;

    fn expecting(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("a parse tree of libpg_query")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Leaf<'de>, E> {
        Ok(if value { Leaf::True } else { Leaf::Other })
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Number(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Leaf<'de>, E> {
        Ok(i64::try_from(value).map_or(Leaf::Other, Leaf::Number))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Other)
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Leaf<'de>, A::Error> {
        while list.next_element_seed(Walk { names: self.names, place: self.place })?.is_some() {}
        Ok(Leaf::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Leaf<'de>, A::Error> {
        let Walk { names, place } = self;
        let mut object = Object::open(names);
        while let Some(key) = map.next_key::<&'de str>()? {
            let start = names.relations.len();
            if place.calls() && key == "funcname" {
                names.functions.push(function_name(map.next_value()?));
            } else if place.lists_objects(key) {
                object.objects = object_names(map.next_value()?);
            } else if key == "lockedRels" {
                map.next_value::<IgnoredAny>()?; // names aliases of FROM, no relations
            } else {
                if place.is_root() {
                    names.node = key.to_owned();
                }
                let leaf = map.next_value_seed(Walk { names, place: place.below(key) })?;
                object.take(key, leaf, start..names.relations.len());
            }
        }
        Ok(object.close(place, names))
    }
}

fn function_name(parts: Vec<NamePart>) -> (Option<String>, String) {
    let mut parts = parts.into_iter().rev().filter_map(|part| part.string).map(|string| string.sval);
    let name = parts.next().unwrap_or_default();
    (parts.next(), name)
}

fn object_names(names: ObjectNames) -> Vec<Vec<String>> {
    let objects = match names {
        ObjectNames::Many(objects) => objects,
        ObjectNames::One(object) => vec![object],
    };
    let lists = objects.into_iter().filter_map(|object| object.list);
    lists.map(|list| list.items.into_iter().filter_map(|part| part.string).map(|part| part.sval).collect()).collect()
}

/// One object of the JSON while it is read: the fields that matter, if it has them.
#[derive(Default)]
struct Object<'de> {
    start: usize,
    ctes_start: usize,
    relation: [Option<Cow<'de, str>>; 3],
    is_range_var: bool,
    alias: Option<String>,
    location: Option<usize>,
    aliasname: Option<String>,
    ctename: Option<String>,
    is_true: Vec<&'de str>,
    object_type: Option<Cow<'de, str>>,
    objects: Vec<Vec<String>>,
    target: Range<usize>,
    with: Option<(With, Range<usize>)>,
}

impl<'de> Object<'de> {
    fn open(names: &Names) -> Self {
        Self { start: names.relations.len(), ctes_start: names.ctes.len(), ..Self::default() }
    }

    fn take(&mut self, key: &'de str, leaf: Leaf<'de>, found: Range<usize>) {
        match (key, leaf) {
            ("relname", Leaf::Text(text)) => self.relation[0] = Some(text),
            ("schemaname", Leaf::Text(text)) => self.relation[1] = Some(text),
            ("catalogname", Leaf::Text(text)) => self.relation[2] = Some(text),
            ("relpersistence", Leaf::Text(_)) => self.is_range_var = true,
            ("location", Leaf::Number(byte)) => self.location = usize::try_from(byte).ok(),
            ("aliasname", Leaf::Text(text)) => self.aliasname = Some(text.into_owned()),
            ("ctename", Leaf::Text(text)) => self.ctename = Some(text.into_owned()),
            ("removeType" | "objtype", Leaf::Text(text)) => self.object_type = Some(text),
            ("alias", Leaf::Alias(alias)) => self.alias = Some(alias),
            ("withClause", Leaf::With(with)) => self.with = Some((with, found)),
            ("relation", _) => self.target = found,
            (_, Leaf::True) => self.is_true.push(key),
            _ => {}
        }
    }

    fn close(mut self, place: Place, names: &mut Names) -> Leaf<'de> {
        if self.is_range_var {
            names.relations.extend(self.range_var(place));
        }
        if place.node == "CopyStmt" && self.is_true.contains(&"is_from") {
            names.relations[self.target.clone()].iter_mut().for_each(|relation| relation.role = Role::Write);
        }
        names.relations.extend(self.named_objects());
        if let Some((with, inside)) = self.with.take() {
            hide_ctes(&with, &inside, &mut names.relations, self.start);
        }
        if let Some(ctename) = self.ctename {
            names.ctes.push((ctename, self.start..names.relations.len()));
        }
        if place.field == "withClause" && place.node.is_empty() {
            let recursive = self.is_true.contains(&"recursive");
            return Leaf::With(With { recursive, ctes: names.ctes.split_off(self.ctes_start) });
        }
        self.aliasname.map_or(Leaf::Other, Leaf::Alias)
    }

    fn range_var(&mut self, place: Place) -> Option<RelationName> {
        let [name, schema, catalog] = std::mem::take(&mut self.relation).map(|part| part.map(Cow::into_owned));
        Some(RelationName {
            catalog,
            schema,
            name: name?,
            alias: self.alias.take(),
            byte: Some(self.location.unwrap_or(0)),
            role: place.role(),
            is_cte: false,
        })
    }

    /// DROP and COMMENT name relations by lists of strings.
    fn named_objects(&mut self) -> Vec<RelationName> {
        let parts_after = self.object_type.as_deref().and_then(names_relation);
        let objects = std::mem::take(&mut self.objects);
        parts_after
            .map_or_else(Vec::new, |after| objects.into_iter().filter_map(|o| object_relation(o, after)).collect())
    }
}

fn object_relation(mut parts: Vec<String>, parts_after: usize) -> Option<RelationName> {
    parts.truncate(parts.len().checked_sub(parts_after)?);
    let name = parts.pop()?;
    let (schema, catalog) = (parts.pop(), parts.pop());
    Some(RelationName { catalog, schema, name, alias: None, byte: None, role: Role::Object, is_cte: false })
}

/// Marks what a WITH clause stands for: everything around it sees all its names; a query inside sees those before it, or
/// all where the clause is recursive.
fn hide_ctes(with: &With, inside: &Range<usize>, relations: &mut [RelationName], start: usize) {
    let mark = |relation: &mut RelationName, ctes: &[(String, Range<usize>)]| {
        let can_be_cte = relation.role == Role::Read && relation.schema.is_none();
        relation.is_cte |= can_be_cte && ctes.iter().any(|(name, _)| *name == relation.name);
    };
    for (index, relation) in relations.iter_mut().enumerate().skip(start) {
        if !inside.contains(&index) {
            mark(relation, &with.ctes);
        }
    }
    for (number, (_, range)) in with.ctes.iter().enumerate() {
        let visible = if with.recursive { &with.ctes[..] } else { &with.ctes[..number] };
        relations[range.clone()].iter_mut().for_each(|relation| mark(relation, visible));
    }
}
