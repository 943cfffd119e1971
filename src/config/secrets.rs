//! Where secrets come from: `{ file = "..." }` or `{ env = "..." }`.
//!
//! Constraints: no problem shows a value, nor what stands in place of a file name or variable name unless
//! it is an absolute path: it may be the secret itself, written one level too high.

use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _};
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::load::Environment;
use super::reader::{Node, Table};
use crate::salesforce::login::{self, SecretSource};
use crate::secret::Secret;

/// The largest secret read, in bytes.
const SECRET_MAX: u64 = 64 << 10;

/// The largest file of certificates read, in bytes.
const CA_MAX: u64 = 16 << 20;

/// What a secret looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One line, without the white space around it: a token.
    Line,
    /// Any text but none: a password.
    Text,
    /// A private key in PEM.
    Key,
}

/// Reads `file` or `env`, exactly one, and the secret there, so that a missing one is known now.
pub(super) fn source(
    mut table: Table<'_>,
    environment: Environment<'_>,
    shape: Shape,
) -> Option<(SecretSource, Secret<String>)> {
    let (file, env) = (table.get("file"), table.get("env"));
    let source = match (&file, &env) {
        (Some(file), None) => from_file(file, shape),
        (None, Some(env)) => from_environment(env, environment, shape),
        // Whatever else stands there is reported as an unknown key.
        (None, None) if !table.is_empty() => None,
        (None, None) => {
            table.absent("", "file or env", None);
            None
        }
        (Some(_), Some(_)) => {
            table.report("both file and env", "one of them", None);
            None
        }
    };
    table.end();
    source
}

fn from_environment(
    node: &Node<'_>,
    environment: Environment<'_>,
    shape: Shape,
) -> Option<(SecretSource, Secret<String>)> {
    let wanted = "the name of an environment variable that is set";
    let name = node.text(wanted)?;
    let good =
        |(index, c): (usize, char)| c == '_' || c.is_ascii_alphabetic() || index > 0 && c.is_ascii_digit();
    if name.is_empty() || !name.chars().enumerate().all(good) {
        node.report(
            "a value that is no variable's name",
            wanted,
            Some("the secret itself has no place here"),
        );
        return None;
    }
    let Some(value) = environment(name) else {
        node.report("a variable that is not set", wanted, None);
        return None;
    };
    let value = value.into_string().map(Secret::new).map_err(|_| Unfit("not UTF-8", None));
    let value = value.and_then(|value| shape.read(value.expose()));
    let unfit =
        |Unfit(what, hint)| node.report(&format!("a variable that is {what}"), wanted, hint.as_deref());
    Some((SecretSource::Env(name.to_owned()), value.map_err(unfit).ok()?))
}

/// Reads the secret in a file.
pub(super) fn from_file(node: &Node<'_>, shape: Shape) -> Option<(SecretSource, Secret<String>)> {
    let path = node.path()?;
    let wanted = match shape {
        Shape::Line => "a file with one line of text",
        Shape::Text => "a file of text",
        Shape::Key => "a file with an RSA key (PEM)",
    };
    let bytes = read(node, &path, SECRET_MAX, wanted)?;
    let text = std::str::from_utf8(bytes.expose()).map_err(|_| Unfit("not UTF-8", None));
    let text = text.and_then(|text| shape.read(text));
    let unfit =
        |Unfit(what, hint)| node.report(&named("a file that is", what, &path), wanted, hint.as_deref());
    let text = text.map_err(unfit).ok()?;
    if is_world_readable(&path) {
        let found = named("a secret that every user of this machine can read", "", &path);
        node.warn(&found, "a file of mode 0600 or 0640", Some("chmod o-rwx"));
    }
    Some((SecretSource::File(path), text))
}

/// Why a text cannot be a secret of its shape, and a hint.
struct Unfit(&'static str, Option<String>);

impl Shape {
    /// The secret in a text.
    fn read(self, text: &str) -> Result<Secret<String>, Unfit> {
        let trimmed = text.trim();
        match self {
            Self::Line if trimmed.chars().any(char::is_control) => Err(Unfit("more than one line", None)),
            Self::Line | Self::Key if trimmed.is_empty() => Err(Unfit("empty", None)),
            Self::Text if text.trim_end_matches(['\r', '\n']).is_empty() => Err(Unfit("empty", None)),
            Self::Line => Ok(Secret::new(trimmed.to_owned())),
            Self::Text => Ok(Secret::new(text.to_owned())),
            Self::Key => {
                let key = Secret::new(text.to_owned());
                login::check_key(&key).map_err(|reason| Unfit("no key to sign with", Some(reason)))?;
                Ok(key)
            }
        }
    }
}

/// Checks that a file of certificates holds at least one and nothing broken; what tells this content of it from
/// another.
pub(super) fn check_certificates(node: &Node<'_>, path: &Path) -> u64 {
    let wanted = "a file of certificates (PEM)";
    let Some(bytes) = read(node, path, CA_MAX, wanted) else { return 0 };
    let count = CertificateDer::pem_slice_iter(bytes.expose())
        .try_fold(0_usize, |count, certificate| certificate.map(|_| count + 1));
    match count {
        Ok(0) => node.report(&named("no certificate in it", "", path), wanted, None),
        Ok(_) => {}
        Err(error) => {
            node.report(&named("a broken certificate in it", "", path), wanted, Some(&error.to_string()));
        }
    }
    let mut hasher = DefaultHasher::new();
    bytes.expose().hash(&mut hasher);
    hasher.finish()
}

/// A regular file's bytes, at most `max` of them; a pipe would be empty the second time.
fn read(node: &Node<'_>, path: &Path, max: u64, wanted: &str) -> Option<Secret<Vec<u8>>> {
    node.depends_on(path);
    let problem = match bytes_of(path, max) {
        Ok(Some(bytes)) => return Some(bytes),
        Ok(None) => named("more than", &super::units::show_size(max), path),
        Err(error) => named("a file that cannot be read:", &error.to_string(), path),
    };
    let hint = path.is_relative().then_some("relative paths start at the working directory");
    node.report(&problem, wanted, hint);
    None
}

fn bytes_of(path: &Path, max: u64) -> io::Result<Option<Secret<Vec<u8>>>> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    // Room for all of it at once: a buffer that grows leaves copies of the secret behind.
    let capacity = usize::try_from(metadata.len().min(max) + 1).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(capacity);
    File::open(path)?.take(max + 1).read_to_end(&mut bytes)?;
    let bytes = Secret::new(bytes);
    let fits = u64::try_from(bytes.expose().len()).is_ok_and(|length| length <= max);
    Ok(fits.then_some(bytes))
}

/// What was found, with the path where it cannot be a secret in the wrong place.
fn named(found: &str, what: &str, path: &Path) -> String {
    let gap = if what.is_empty() { "" } else { " " };
    if path.is_absolute() {
        format!("{found}{gap}{what} [{}]", path.display().to_string().escape_debug())
    } else {
        format!("{found}{gap}{what}")
    }
}

#[cfg(unix)]
fn is_world_readable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
const fn is_world_readable(_path: &Path) -> bool {
    false
}
