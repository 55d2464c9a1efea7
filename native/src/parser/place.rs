//! Where in a parse tree a value stands, and what a relation's name means there.

/// What a statement does with a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Rows are read.
    Read,
    /// The target of INSERT, UPDATE, DELETE, MERGE, TRUNCATE or COPY FROM.
    Write,
    /// The name of a relation that the statement makes.
    Create,
    /// Named by any other statement (ALTER, DROP, GRANT, LOCK, VACUUM ...).
    Object,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Role::Read => "read",
            Role::Write => "write",
            Role::Create => "create",
            Role::Object => "object",
        }
    }
}

/// `node` is the type of the node here (empty where only its field tells the type); `owner` and `field` are the node
/// that it hangs below and the field there.
#[derive(Clone, Copy, Default)]
pub struct Place<'p> {
    pub owner: &'p str,
    pub field: &'p str,
    pub node: &'p str,
}

impl<'p> Place<'p> {
    /// The place of a member: types start with a capital letter in libpg_query's JSON, fields don't.
    pub fn below(self, key: &'p str) -> Self {
        if key.starts_with(|first: char| first.is_ascii_uppercase()) {
            return Self { node: key, ..self };
        }
        Self { owner: if self.node.is_empty() { self.field } else { self.node }, field: key, node: "" }
    }

    pub fn is_root(self) -> bool {
        self.owner.is_empty() && self.field.is_empty() && self.node.is_empty()
    }

    pub fn calls(self) -> bool {
        self.node == "FuncCall" || (self.node.is_empty() && matches!(self.field, "funccall" | "func"))
    }

    pub fn lists_objects(self, key: &str) -> bool {
        matches!((self.node, key), ("DropStmt", "objects") | ("CommentStmt", "object"))
    }

    /// The role of a `RangeVar` here.
    pub fn role(self) -> Role {
        match (self.owner, self.field) {
            (_, "fromClause" | "usingClause" | "sourceRelation") => Role::Read,
            ("JoinExpr", "larg" | "rarg") | ("RangeTableSample" | "CopyStmt", "relation") => Role::Read,
            ("InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt", "relation") => Role::Write,
            ("TruncateStmt", "relations") => Role::Write,
            ("into" | "intoClause" | "IntoClause", "rel") => Role::Create,
            ("CreateStmt" | "base" | "baseStmt", "relation") | ("ViewStmt", "view") => Role::Create,
            ("CreateSeqStmt", "sequence") | ("CompositeTypeStmt", "typevar") => Role::Create,
            _ => Role::Object,
        }
    }
}

/// Whether objects of this type are named by a relation: how many parts of the name follow the relation's.
pub fn names_relation(object_type: &str) -> Option<usize> {
    match object_type {
        "OBJECT_TABLE" | "OBJECT_VIEW" | "OBJECT_MATVIEW" | "OBJECT_FOREIGN_TABLE" => Some(0),
        "OBJECT_SEQUENCE" | "OBJECT_INDEX" => Some(0),
        "OBJECT_COLUMN" | "OBJECT_TRIGGER" | "OBJECT_RULE" | "OBJECT_POLICY" | "OBJECT_TABCONSTRAINT" => Some(1),
        _ => None,
    }
}
