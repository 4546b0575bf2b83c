//! Types of the bindings, written in C.

use super::bindings::{Bindings, Declared, integer};
use anyhow::{Context, Result, bail};
use syn::{GenericArgument, PathArguments, ReturnType, Type};

/// The C types that bindgen has its own names for, on amd64.
const BASIC: [(&str, &str); 22] = [
    ("c_void", "void"),
    ("c_char", "char"),
    ("c_schar", "signed char"),
    ("c_uchar", "unsigned char"),
    ("c_short", "short"),
    ("c_ushort", "unsigned short"),
    ("c_int", "int"),
    ("c_uint", "unsigned int"),
    ("c_long", "long"),
    ("c_ulong", "unsigned long"),
    ("c_longlong", "long long"),
    ("bool", "_Bool"),
    ("i8", "signed char"),
    ("u8", "unsigned char"),
    ("i16", "short"),
    ("u16", "unsigned short"),
    ("i32", "int"),
    ("u32", "unsigned int"),
    ("i64", "long"),
    ("u64", "unsigned long"),
    ("isize", "long"),
    ("usize", "unsigned long"),
];

impl Bindings {
    /// The type of a declaration, as C writes it without the name.
    pub fn declared_type(&self, declared: &Declared) -> Result<String> {
        match declared {
            Declared::Variable(variable) => self.c_type(variable),
            Declared::Function(function) => {
                let signature = &function.sig;
                let parameters = signature.inputs.iter().map(|input| match input {
                    syn::FnArg::Typed(typed) => self.c_type(&typed.ty),
                    syn::FnArg::Receiver(_) => bail!("a C function with a self parameter"),
                });
                let parameters = parameters.collect::<Result<Vec<_>>>()?;
                self.function(
                    &signature.output,
                    parameters,
                    signature.variadic.is_some(),
                    "",
                )
            }
        }
    }

    /// A type, as C writes it without a name.
    pub fn c_type(&self, of: &Type) -> Result<String> {
        self.declare(of, "", "")
    }

    /// A function of this result and these parameters, where `inner` is in the name's place.
    fn function(
        &self,
        output: &ReturnType,
        mut parameters: Vec<String>,
        variadic: bool,
        inner: &str,
    ) -> Result<String> {
        if variadic {
            parameters.push("...".into());
        } else if parameters.is_empty() {
            parameters.push("void".into());
        }
        let inner = format!("{inner}({})", parameters.join(", "));
        match output {
            ReturnType::Type(_, result) if !matches!(**result, Type::Never(_)) => {
                self.declare(result, "", &inner)
            }
            _ => Ok(format!("void {inner}")),
        }
    }

    /// A type, where `inner` is in the name's place. `qualifier` is "const " for a const type.
    fn declare(&self, of: &Type, qualifier: &str, inner: &str) -> Result<String> {
        match of {
            Type::Ptr(pointer) => {
                let target = if pointer.const_token.is_some() {
                    "const "
                } else {
                    ""
                };
                let inner = if matches!(*pointer.elem, Type::Array(_)) {
                    format!("(*{qualifier}{inner})")
                } else {
                    format!("*{qualifier}{inner}")
                };
                self.declare(&pointer.elem, target, &inner)
            }
            Type::Array(array) => {
                let length =
                    integer(&array.len).context("an array whose length is not a number")?;
                self.declare(&array.elem, qualifier, &format!("{inner}[{length}]"))
            }
            Type::Path(path) => {
                let segment = path.path.segments.last().context("a type without a name")?;
                if let PathArguments::AngleBracketed(arguments) = &segment.arguments {
                    return match arguments.args.first() {
                        Some(GenericArgument::Type(Type::BareFn(function)))
                            if segment.ident == "Option" =>
                        {
                            let parameters =
                                function.inputs.iter().map(|input| self.c_type(&input.ty));
                            let parameters = parameters.collect::<Result<Vec<_>>>()?;
                            let variadic = function.variadic.is_some();
                            self.function(
                                &function.output,
                                parameters,
                                variadic,
                                &format!("(*{qualifier}{inner})"),
                            )
                        }
                        _ => bail!("a type {} with arguments", segment.ident),
                    };
                }
                self.named(&segment.ident.to_string(), qualifier, inner)
            }
            _ => bail!("a type that bindgen does not write for C"),
        }
    }

    /// The type of this name.
    fn named(&self, name: &str, qualifier: &str, inner: &str) -> Result<String> {
        if let Some(alias) = self.aliases.get(name) {
            return self.declare(alias, qualifier, inner);
        }
        let basic = BASIC
            .iter()
            .find(|(rust, _)| *rust == name)
            .map(|(_, c)| c.to_string());
        // bindgen appends an underscore to a word that Rust reserves, as in proc_.
        let tagged = || {
            Some(format!(
                "{} {}",
                self.tags.get(name)?,
                name.trim_end_matches('_')
            ))
        };
        let base = basic
            .or_else(tagged)
            .with_context(|| format!("the type {name} is not in the bindings"))?;
        Ok(format!("{qualifier}{base} {inner}").trim_end().into())
    }
}
