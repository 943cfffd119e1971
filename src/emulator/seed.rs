//! The seed file: who and what exists when the emulator starts, in TOML.
//!
//! ```toml
//! [org]
//! id = "00D000000000001EAA"               # 15 or 18 characters; default: one is made
//! name = "Example"
//! sandbox = false
//! dynamic_channels = true                 # whether the first subscriber to a generic channel makes it
//!
//! [user."admin@example.com"]
//! password = "password"
//! security_token = "T0k3n"                # demanded behind the password; default: none is
//! email = "admin@example.com"             # default: the username
//! first_name = "Ada"
//! last_name = "Admin"                     # default: "User"
//! active = true
//! permissions = ["ApiEnabled", "Streaming", "ViewAllData", "ModifyAllData", "ViewSetup"]   # default: all
//! objects = { Account = "none", Contact = "read" }         # others: "edit"
//! hidden_fields = ["Invoice_Statement__c.Status__c"]       # default: none
//! refresh_tokens = { "emulator" = "REFRESH" }              # by client, ready for use
//!
//! [client.emulator]                       # a connected app, by its consumer key
//! secret = "emulator-secret"              # default: none is demanded
//! certificate = "-----BEGIN ..."          # PEM, a certificate or a public key of RSA: for JWT assertions
//! certificate_file = "emulator.crt"       # the same in a file, relative to the seed
//! approved = ["admin@example.com"]        # default: everybody has approved it
//! run_as = "admin@example.com"            # whom its client credentials stand for; default: nobody
//! rotates = false                         # whether each refresh token works once and gives the next
//!
//! [object.Employee__c]                    # a custom object, or fields to add to one that there is
//! label = "Employee"
//! auto_number = "EMP-{0000}"              # the format of its records' names; default: names are text
//! sharing = "private"                     # for owners and whom they share with; default: "public"
//! fields = { SSN__c = "string", Bonus__c = "currency", Team__c = { type = "picklist", values = ["A", "B"] } }
//!
//! [[record.Employee__c]]                  # records; they are told to nobody
//! SSN__c = "078-05-1120"
//! ```
//!
//! A file without users has the user `admin@example.com` with the password `password` and every permission; one
//! without clients has the client `emulator` of the secret `emulator-secret`, which runs as the first user by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::RwLock;

use serde::Deserialize;

use super::event;
use super::ids;
use super::login::jwt;
use super::records::{Edition, ObjectSeed, RecordSeeds, Records};
use super::users::{Access, Client, Org, Permission, Rights, User};

/// The largest seed file, and the largest certificate file.
const FILE_MAX: u64 = 4 << 20;
/// The most users and the most clients.
const MANY: usize = 10_000;

/// What exists at the start; [`Seed::default`] is what a seed without users and clients has.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    /// The org.
    #[serde(default)]
    pub(super) org: OrgSeed,
    /// By username.
    #[serde(default, rename = "user")]
    pub(super) users: BTreeMap<String, UserSeed>,
    /// By consumer key.
    #[serde(default, rename = "client")]
    pub(super) clients: BTreeMap<String, ClientSeed>,
    /// By API name.
    #[serde(default, rename = "object")]
    pub(super) objects: BTreeMap<String, ObjectSeed>,
    /// By the API name of their object.
    #[serde(default, rename = "record")]
    pub(super) records: RecordSeeds,
}

/// `[org]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OrgSeed {
    pub(super) id: Option<String>,
    pub(super) name: String,
    pub(super) sandbox: bool,
    pub(super) dynamic_channels: bool,
}

/// `[user.NAME]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserSeed {
    pub(super) password: Hidden,
    #[serde(default)]
    pub(super) security_token: Hidden,
    #[serde(default)]
    pub(super) email: Option<String>,
    #[serde(default)]
    pub(super) first_name: String,
    #[serde(default)]
    pub(super) last_name: Option<String>,
    #[serde(default)]
    pub(super) active: Option<bool>,
    #[serde(default)]
    pub(super) permissions: Option<BTreeSet<Permission>>,
    #[serde(default)]
    pub(super) objects: BTreeMap<String, Access>,
    #[serde(default)]
    pub(super) hidden_fields: Vec<String>,
    #[serde(default)]
    pub(super) refresh_tokens: BTreeMap<String, Hidden>,
}

/// `[client.KEY]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ClientSeed {
    pub(super) secret: Hidden,
    pub(super) certificate: Option<String>,
    pub(super) certificate_file: Option<PathBuf>,
    pub(super) approved: Option<BTreeSet<String>>,
    pub(super) run_as: Option<String>,
    pub(super) rotates: bool,
}

/// A password, secret or token: never shown.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Hidden(String);

impl Hidden {
    /// One that was made here.
    pub(super) fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What is wrong with a seed.
#[derive(Debug)]
pub enum SeedError {
    /// A file cannot be read.
    Read(PathBuf, io::Error),
    /// The text is no TOML, or a key or value is wrong: line and column from 1, and what is.
    Syntax(usize, usize, String),
    /// What is written contradicts itself or cannot be used.
    Content(String),
}

impl fmt::Display for SeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Syntax(line, column, what) => write!(f, "line {line}, column {column}: {what}"),
            Self::Content(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for SeedError {}

impl Default for OrgSeed {
    fn default() -> Self {
        Self { id: None, name: "Example".to_owned(), sandbox: false, dynamic_channels: true }
    }
}

impl Default for Seed {
    fn default() -> Self {
        let empty = Self {
            org: OrgSeed::default(),
            users: BTreeMap::new(),
            clients: BTreeMap::new(),
            objects: BTreeMap::new(),
            records: BTreeMap::new(),
        };
        empty.complete()
    }
}

impl Seed {
    /// Reads a seed file of at most 4 MiB and the certificate files that it names.
    ///
    /// # Errors
    /// The first thing that is wrong; no password, secret or token is in the text.
    pub fn load(path: &Path) -> Result<Self, SeedError> {
        Self::parse(&read(path)?, path.parent().unwrap_or(Path::new("")))
    }

    /// Reads the text of a seed file that stands in `folder`.
    ///
    /// # Errors
    /// As [`Seed::load`].
    pub fn parse(text: &str, folder: &Path) -> Result<Self, SeedError> {
        let mut seed: Self = toml::from_str(text).map_err(|error| syntax(text, &error))?;
        for client in seed.clients.values_mut() {
            if let Some(file) = client.certificate_file.take() {
                let text = read(&folder.join(file))?;
                if client.certificate.replace(text).is_some() {
                    return Err(wrong("certificate and certificate_file: only one of them is wanted"));
                }
            }
        }
        let seed = seed.complete();
        seed.check()?;
        Ok(seed)
    }

    /// The seed with the user and the client that there are where it has none.
    fn complete(mut self) -> Self {
        if self.users.is_empty() {
            self.users.insert("admin@example.com".to_owned(), UserSeed::admin());
        }
        if self.clients.is_empty() {
            let run_as = self.users.keys().next().cloned();
            let client =
                ClientSeed { secret: Hidden::new("emulator-secret"), run_as, ..ClientSeed::default() };
            self.clients.insert("emulator".to_owned(), client);
        }
        self
    }

    fn check(&self) -> Result<(), SeedError> {
        if self.users.len() > MANY || self.clients.len() > MANY {
            return Err(wrong(format!("at most {MANY} users and {MANY} clients are wanted")));
        }
        if let Some(id) = self.org.id.as_deref()
            && ids::canonical(id).is_none_or(|id| ids::prefix(&id) != "00D")
        {
            return Err(wrong(format!(
                "org.id: {id:?} is no id of an org: 00D and 12 or 15 characters are wanted"
            )));
        }
        self.users.iter().try_for_each(|(name, user)| self.check_user(name, user))?;
        self.clients.iter().try_for_each(|(id, client)| self.check_client(id, client))?;
        let org = Org::new(self);
        let mut records = Records::new(Edition::default(), org.users(), event::now());
        self.plant(&mut records, &org).map_err(wrong)
    }

    /// Makes the objects and the records of the seed, as the first active user by name.
    pub(super) fn plant(&self, records: &mut Records, org: &Org) -> Result<(), String> {
        records.dynamic_channels = self.org.dynamic_channels;
        self.objects.iter().try_for_each(|(name, object)| records.define(name, object))?;
        records.load(org, &self.records, event::now()).map(drop)
    }

    fn check_user(&self, name: &str, user: &UserSeed) -> Result<(), SeedError> {
        if self.users.keys().any(|other| other != name && other.eq_ignore_ascii_case(name)) {
            return Err(wrong(format!("user {name:?}: another one differs only by case")));
        }
        let unknown = user.refresh_tokens.keys().find(|client| !self.clients.contains_key(*client));
        unknown.map_or(Ok(()), |id| Err(wrong(format!("user {name:?}: refresh_tokens: no client {id:?}"))))
    }

    fn check_client(&self, id: &str, client: &ClientSeed) -> Result<(), SeedError> {
        let named = client.approved.iter().flatten().chain(&client.run_as);
        let known = |name: &&String| self.users.keys().any(|user| user.eq_ignore_ascii_case(name));
        if let Some(name) = named.into_iter().find(|name| !known(name)) {
            return Err(wrong(format!("client {id:?}: no user {name:?}")));
        }
        let certificate = client.certificate.as_deref().map(jwt::check_certificate);
        certificate.transpose().map_err(|what| wrong(format!("client {id:?}: certificate: {what}")))?;
        Ok(())
    }
}

impl UserSeed {
    fn admin() -> Self {
        Self {
            password: Hidden::new("password"),
            security_token: Hidden::default(),
            email: None,
            first_name: "Ada".to_owned(),
            last_name: Some("Admin".to_owned()),
            active: None,
            permissions: None,
            objects: BTreeMap::new(),
            hidden_fields: Vec::new(),
            refresh_tokens: BTreeMap::new(),
        }
    }

    /// The user of this name and id.
    pub(super) fn build(&self, username: &str, id: String) -> User {
        let mut rights = Rights {
            active: self.active.unwrap_or(true),
            permissions: self.permissions.clone().unwrap_or_else(|| Permission::ALL.into()),
            objects: self.objects.clone(),
            hidden_fields: BTreeSet::new(),
        };
        rights.hide(&self.hidden_fields);
        User {
            id,
            username: username.to_owned(),
            password: self.password.clone(),
            security_token: self.security_token.clone(),
            email: self.email.clone().unwrap_or_else(|| username.to_owned()),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone().unwrap_or_else(|| "User".to_owned()),
            rights: RwLock::new(rights),
        }
    }
}

impl ClientSeed {
    /// The client of this consumer key.
    pub(super) fn build(&self, id: &str) -> Client {
        Client {
            id: id.to_owned(),
            secret: self.secret.clone(),
            certificate: self.certificate.clone(),
            approved: self.approved.clone(),
            run_as: self.run_as.clone(),
            rotates: self.rotates,
        }
    }
}

fn wrong(what: impl Into<String>) -> SeedError {
    SeedError::Content(what.into())
}

fn read(path: &Path) -> Result<String, SeedError> {
    let fail = |error| SeedError::Read(path.to_owned(), error);
    let file = std::fs::File::open(path).map_err(fail)?;
    let mut text = String::new();
    let read = io::Read::read_to_string(&mut io::Read::take(file, FILE_MAX + 1), &mut text).map_err(fail)?;
    if u64::try_from(read).is_ok_and(|read| read <= FILE_MAX) {
        return Ok(text);
    }
    Err(fail(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 4 MiB")))
}

/// Where the error is and what was expected there; what was found may be a secret in the wrong place.
fn syntax(text: &str, error: &toml::de::Error) -> SeedError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let message = error.message();
    let shows_value = ["invalid ", "unknown variant "].iter().any(|start| message.starts_with(start));
    let hidden = message.split_once("expected ").filter(|_| shows_value);
    let what = hidden.map_or_else(|| message.to_owned(), |(_, wanted)| format!("expected {wanted}"));
    SeedError::Syntax(line, column, what)
}
