//! The org, its users and what each may do, and the connected apps that log in for them: as the seed has them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use serde::Deserialize;

use super::ids;
use super::seed::{Hidden, Seed};

/// The org with all that can log in to it.
#[derive(Debug)]
pub(super) struct Org {
    /// 18 characters.
    pub(super) id: String,
    /// For people.
    pub(super) name: String,
    /// Whether it is a sandbox.
    pub(super) sandbox: bool,
    users: Vec<Arc<User>>,
    clients: Vec<Arc<Client>>,
}

/// Somebody who can log in.
#[derive(Debug)]
pub(super) struct User {
    /// 18 characters.
    pub(super) id: String,
    /// Unique, in the form of an e-mail address.
    pub(super) username: String,
    /// Case matters.
    pub(super) password: Hidden,
    /// What follows the password where a login comes from an untrusted network; empty: nothing.
    pub(super) security_token: Hidden,
    /// Where mail goes.
    pub(super) email: String,
    /// The given name.
    pub(super) first_name: String,
    /// The family name.
    pub(super) last_name: String,
    /// What the user may do; an administrator changes it at any time, for present sessions too.
    pub(super) rights: RwLock<Rights>,
}

/// What a user may do.
#[derive(Clone, Debug)]
pub(super) struct Rights {
    /// Whether logins are taken.
    pub(super) active: bool,
    /// Over the whole org.
    pub(super) permissions: BTreeSet<Permission>,
    /// With the records of each object; with those of objects that are not named, everything.
    pub(super) objects: BTreeMap<String, Access>,
    /// `Object.Field` in small letters: what the user does not see (field-level security).
    pub(super) hidden_fields: BTreeSet<String>,
}

impl Rights {
    /// Hides these fields, `Object.Field` in any case, and no other.
    pub(super) fn hide(&mut self, fields: &[String]) {
        self.hidden_fields = fields.iter().map(|field| field.to_ascii_lowercase()).collect();
    }
}

/// A right over the whole org, by the name of the user permission without its `Permissions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) enum Permission {
    /// To use the API at all.
    ApiEnabled,
    /// To subscribe.
    Streaming,
    /// To read every record.
    ViewAllData,
    /// To change every record.
    ModifyAllData,
    /// To see the setup, and to read the limits.
    ViewSetup,
}

impl Permission {
    /// Every one of them.
    pub(super) const ALL: [Self; 5] =
        [Self::ApiEnabled, Self::Streaming, Self::ViewAllData, Self::ModifyAllData, Self::ViewSetup];
}

/// What a user may do with the records of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Access {
    /// Nothing: the object does not exist for the user.
    None,
    /// Read.
    Read,
    /// Create, read, update and delete.
    Edit,
}

/// A connected app: a program that logs in for users.
#[derive(Debug)]
pub(super) struct Client {
    /// The consumer key.
    pub(super) id: String,
    /// The consumer secret; one that is empty is not demanded.
    pub(super) secret: Hidden,
    /// PEM of the certificate or public key that its assertions are signed for.
    pub(super) certificate: Option<String>,
    /// Who has approved it, by username; without it everybody.
    pub(super) approved: Option<BTreeSet<String>>,
    /// Whom its client credentials stand for, by username.
    pub(super) run_as: Option<String>,
    /// Whether a refresh token works once, and gives the next one.
    pub(super) rotates: bool,
}

impl Org {
    /// The org of a seed that has been checked.
    pub(super) fn new(seed: &Seed) -> Self {
        let users =
            seed.users.iter().zip(1..).map(|((name, user), n)| Arc::new(user.build(name, ids::id("005", n))));
        let clients = seed.clients.iter().map(|(id, client)| Arc::new(client.build(id)));
        Self {
            id: seed.org.id.as_deref().and_then(ids::canonical).unwrap_or_else(|| ids::id("00D", 1)),
            name: seed.org.name.clone(),
            sandbox: seed.org.sandbox,
            users: users.collect(),
            clients: clients.collect(),
        }
    }

    /// The user of this name; case does not matter.
    pub(super) fn user(&self, username: &str) -> Option<&Arc<User>> {
        self.users.iter().find(|user| user.username.eq_ignore_ascii_case(username))
    }

    /// Everybody.
    pub(super) fn users(&self) -> &[Arc<User>] {
        &self.users
    }

    /// Whose requests those without a token of a login are: the first active user in the order of names.
    pub(super) fn anybody(&self) -> Option<&Arc<User>> {
        self.users.iter().find(|user| user.is_active())
    }

    /// The connected app of this consumer key.
    pub(super) fn client(&self, id: &str) -> Option<&Arc<Client>> {
        self.clients.iter().find(|client| client.id == id)
    }
}

impl User {
    /// Changes what the user may do.
    pub(super) fn change(&self, change: impl FnOnce(&mut Rights)) {
        change(&mut self.rights.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn rights(&self) -> RwLockReadGuard<'_, Rights> {
        self.rights.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether logins of the user are taken.
    pub(super) fn is_active(&self) -> bool {
        self.rights().active
    }

    /// Whether the user has a right over the org.
    pub(super) fn has(&self, permission: Permission) -> bool {
        self.rights().permissions.contains(&permission)
    }

    /// Whether the user sees records that belong to others and are not shared.
    pub(super) fn sees_all(&self) -> bool {
        self.has(Permission::ViewAllData) || self.has(Permission::ModifyAllData)
    }

    /// What the user may do with the records of `object`; case does not matter.
    pub(super) fn access(&self, object: &str) -> Access {
        let rights = self.rights();
        let named = rights.objects.iter().find(|(name, _)| name.eq_ignore_ascii_case(object));
        named.map_or(Access::Edit, |(_, access)| *access)
    }

    /// Whether the user sees a field of an object; case does not matter.
    pub(super) fn sees(&self, object: &str, field: &str) -> bool {
        let rights = self.rights();
        // Most users see everything, and every event asks for every field.
        rights.hidden_fields.is_empty()
            || !rights.hidden_fields.contains(&format!("{object}.{field}").to_ascii_lowercase())
    }

    /// Both names.
    pub(super) fn display_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name).trim().to_owned()
    }
}

impl Client {
    /// Whether the user has approved this app.
    pub(super) fn is_approved_by(&self, user: &User) -> bool {
        let is_user = |name: &String| name.eq_ignore_ascii_case(&user.username);
        self.approved.as_ref().is_none_or(|approved| approved.iter().any(is_user))
    }
}
