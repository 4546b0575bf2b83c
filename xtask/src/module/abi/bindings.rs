//! The parser of the bindings that bindgen writes. It collects what they assume about the headers.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use syn::{Expr, Fields, ForeignItem, ForeignItemFn, Item, ItemConst, ItemStruct, Lit, Stmt, Type};

/// What the bindings assume.
#[derive(Default)]
pub struct Bindings {
    /// The names of constants in C, and their values.
    pub constants: Vec<(String, String)>,
    /// The functions and variables.
    pub declarations: Vec<(String, Declared)>,
    /// The types that are aliases.
    pub aliases: BTreeMap<String, Type>,
    /// The structs and unions by name, with the C keyword of each.
    pub tags: BTreeMap<String, &'static str>,
    /// The type of each field, as `struct::field`.
    fields: BTreeMap<String, Type>,
    /// The sizes and offsets in bindgen's assertions, by their text.
    layout: BTreeMap<String, u64>,
}

/// A function or a variable.
pub enum Declared {
    Function(ForeignItemFn),
    Variable(Type),
}

impl Bindings {
    pub fn parse(text: &str) -> Result<Self> {
        let mut bindings = Self::default();
        for item in syn::parse_file(text)?.items {
            match item {
                Item::Const(item) if item.ident == "_" => bindings.assertions(*item.expr),
                Item::Const(item) => bindings.constant(&item)?,
                Item::Type(item) => drop(bindings.aliases.insert(item.ident.to_string(), *item.ty)),
                Item::Struct(item) => bindings.fields(item),
                Item::Union(item) => drop(bindings.tags.insert(item.ident.to_string(), "union")),
                Item::ForeignMod(item) => {
                    for item in item.items {
                        bindings.declaration(item)?;
                    }
                }
                _ => {}
            }
        }
        Ok(bindings)
    }

    /// A constant. Constants of an enum have its name as a prefix.
    fn constant(&mut self, item: &ItemConst) -> Result<()> {
        let mut name = item.ident.to_string();
        if let Type::Path(path) = &*item.ty
            && let Some(of) = path.path.get_ident()
        {
            name = name.strip_prefix(&format!("{of}_")).unwrap_or(&name).into();
        }
        let value = match &*item.expr {
            Expr::Lit(_) => integer(&item.expr).map(i128::from),
            Expr::Unary(minus) => integer(&minus.expr).map(|value| -i128::from(value)),
            _ => None,
        };
        let value = value.with_context(|| format!("the constant {name} is not a number"))?;
        self.constants.push((name, value.to_string()));
        Ok(())
    }

    fn fields(&mut self, item: ItemStruct) {
        let name = item.ident.to_string();
        if let Fields::Named(fields) = item.fields {
            for field in fields.named {
                let ident = field
                    .ident
                    .map(|ident| ident.to_string())
                    .unwrap_or_default();
                self.fields.insert(format!("{name}::{ident}"), field.ty);
            }
        }
        self.tags.insert(name, "struct");
    }

    fn declaration(&mut self, item: ForeignItem) -> Result<()> {
        let (name, declared) = match item {
            ForeignItem::Fn(item) => (item.sig.ident.to_string(), Declared::Function(item)),
            ForeignItem::Static(item) => (item.ident.to_string(), Declared::Variable(*item.ty)),
            _ => bail!("an external item that is neither a function nor a variable"),
        };
        self.declarations.push((name, declared));
        Ok(())
    }

    /// The assertions of one struct, `["what"][of_the_compiler - number];`. The compiler checks
    /// them, so the numbers are what Rust uses.
    fn assertions(&mut self, block: Expr) {
        let Expr::Block(block) = block else { return };
        for statement in block.block.stmts {
            if let Stmt::Expr(Expr::Index(index), _) = statement
                && let Expr::Array(what) = *index.expr
                && let Some(Expr::Lit(what)) = what.elems.first()
                && let Lit::Str(what) = &what.lit
                && let Expr::Binary(difference) = *index.index
                && let Some(number) = integer(&difference.right)
            {
                self.layout.insert(what.value(), number);
            }
        }
    }

    /// The size of a struct.
    pub fn size(&self, name: &str) -> Result<u64> {
        self.asserted(&format!("Size of {name}"))
    }

    /// The offset and type of a field, which is given as a path.
    pub fn field<'a>(&'a self, name: &str, path: &str) -> Result<(u64, &'a Type)> {
        let (first, rest) = path
            .split_once('.')
            .map_or((path, None), |(first, rest)| (first, Some(rest)));
        let offset = self.asserted(&format!("Offset of field: {name}::{first}"))?;
        let field = self.fields.get(&format!("{name}::{first}"));
        let field = field.with_context(|| format!("the bindings have no field {name}::{first}"))?;
        match (rest, field) {
            (None, _) => Ok((offset, field)),
            (Some(rest), Type::Path(inner)) => {
                let inner = inner.path.require_ident()?.to_string();
                let (more, field) = self.field(&inner, rest)?;
                Ok((offset + more, field))
            }
            _ => bail!("{name}::{first} is not a struct"),
        }
    }

    /// Whether a struct has a field of this name.
    #[cfg(test)]
    pub fn has_field(&self, name: &str) -> bool {
        self.fields
            .keys()
            .any(|field| field.split("::").nth(1) == Some(name))
    }

    fn asserted(&self, what: &str) -> Result<u64> {
        self.layout
            .get(what)
            .copied()
            .with_context(|| format!("the bindings do not assert: {what}"))
    }
}

/// The value of a number.
pub fn integer(expr: &Expr) -> Option<u64> {
    match expr {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Int(number) => number.base10_parse().ok(),
            _ => None,
        },
        _ => None,
    }
}
