//! Guide, "Event Notification Rules": each row of the four tables, with the fields that change and what follows.

use serde_json::{Value, json};

use super::Scene;

const ID_IN: &str = "Id IN ('a07B0000000KWZ7IAO', 'THIS', 'v32B0000000KWZ7YEP')";
const F3_F4: &str = "f3__c = 'abc' AND f4__c LIKE 'xyz'";

/// What changes of a record that meets `F3_F4`, or of one that does not; and of one that `ID_IN` names not.
struct Row {
    scene: Scene,
    met: String,
    unmet: String,
}

impl Row {
    /// A topic of this query, with `ID_IN` of the records.
    fn new(fields: &str, query: &str) -> Self {
        let mut scene = Scene::new();
        let met = scene.create("InvoiceStatement__c", &json!({"f3__c": "abc", "f4__c": "xyz"})).0;
        let unmet = scene.create("InvoiceStatement__c", &json!({"f3__c": "x", "f4__c": "y"})).0;
        let query = query.replace("THIS", &met);
        scene.topic(&query, &json!({"NotifyForFields": fields})).unwrap();
        Self { scene, met, unmet }
    }

    /// Which of the fields, each changed by itself, are told of the record that meets the conditions.
    fn told(&mut self) -> Vec<&'static str> {
        let met = self.met.clone();
        // f3 and f4 are changed to other values that meet their conditions.
        [("f1", "new"), ("f2", "new"), ("f3", "ABC"), ("f4", "XYZ"), ("Description", "new")]
            .into_iter()
            .filter(|(field, value)| !self.change(&met, field, value).is_empty())
            .map(|(field, _)| field)
            .collect()
    }

    fn change(&mut self, id: &str, field: &str, value: &str) -> Vec<String> {
        self.scene.update("InvoiceStatement__c", id, &json!({format!("{field}__c"): value}))
    }

    /// That nothing is told of the other record, whatever changes.
    fn says_nothing_of_the_other(&mut self) {
        let unmet = self.unmet.clone();
        for field in ["f1", "f2", "f3", "f4", "Description"] {
            assert_eq!(self.change(&unmet, field, "other"), [""; 0], "{field}");
        }
    }

    fn creates(&mut self, body: &Value) -> bool {
        !self.scene.create("InvoiceStatement__c", body).1.is_empty()
    }
}

const EVERY: [&str; 5] = ["f1", "f2", "f3", "f4", "Description"];

/// A created record is told of where it meets the conditions, whatever `NotifyForFields` says.
fn creates_as_tabled(fields: &str) {
    let query = format!("SELECT Id, f1__c, f2__c FROM InvoiceStatement__c WHERE {F3_F4}");
    let mut row = Row::new(fields, &query);
    assert!(row.creates(&json!({"f3__c": "abc", "f4__c": "xyz"})));
    assert!(!row.creates(&json!({"f3__c": "abc", "f4__c": "x"})));
    assert!(!row.creates(&json!({"f1__c": "a"})));
}

#[test]
fn all_create() {
    creates_as_tabled("All");
}

#[test]
fn all_select_f1_f2_f3() {
    let mut row = Row::new("All", "SELECT Id, f1__c, f2__c, f3__c FROM InvoiceStatement__c");
    assert_eq!(row.told(), EVERY);
    let unmet = row.unmet.clone();
    assert_eq!(row.change(&unmet, "Description", "a"), ["/topic/T updated Id,f1__c,f2__c,f3__c"]);
    assert_eq!(row.change(&unmet, "Description", "a"), [""; 0], "no value changes");
}

#[test]
fn all_select_f1_f2_where_f3_and_f4() {
    let mut row = Row::new("All", &format!("SELECT Id, f1__c, f2__c FROM InvoiceStatement__c WHERE {F3_F4}"));
    assert_eq!(row.told(), EVERY);
    row.says_nothing_of_the_other();
}

#[test]
fn all_select_id() {
    let mut row = Row::new("All", "SELECT Id FROM InvoiceStatement__c");
    assert_eq!(row.told(), EVERY);
}

#[test]
fn all_select_id_where_f3_and_f4() {
    let mut row = Row::new("All", &format!("SELECT Id FROM InvoiceStatement__c WHERE {F3_F4}"));
    assert_eq!(row.told(), EVERY);
    row.says_nothing_of_the_other();
}

#[test]
fn all_select_id_where_id_in() {
    let mut row = Row::new("All", &format!("SELECT Id FROM InvoiceStatement__c WHERE {ID_IN}"));
    assert_eq!(row.told(), EVERY);
    row.says_nothing_of_the_other();
}

#[test]
fn all_select_f1_f2_where_id_in() {
    let mut row = Row::new("All", &format!("SELECT Id, f1__c, f2__c FROM InvoiceStatement__c WHERE {ID_IN}"));
    assert_eq!(row.told(), EVERY);
    row.says_nothing_of_the_other();
}

#[test]
fn all_select_f1_f2_where_f3_f4_and_id_in() {
    let query = format!("SELECT Id, f1__c, f2__c FROM InvoiceStatement__c WHERE {F3_F4} AND {ID_IN}");
    let mut row = Row::new("All", &query);
    assert_eq!(row.told(), EVERY);
    row.says_nothing_of_the_other();
    assert!(!row.creates(&json!({"f3__c": "abc", "f4__c": "xyz"})), "another id");
}

#[test]
fn referenced_create() {
    creates_as_tabled("Referenced");
}

#[test]
fn referenced_select_f1_f2_f3() {
    let mut row = Row::new("Referenced", "SELECT Id, f1__c, f2__c, f3__c FROM InvoiceStatement__c");
    assert_eq!(row.told(), ["f1", "f2", "f3"]);
}

#[test]
fn referenced_select_f1_f2_where_f3_and_f4() {
    let query = format!("SELECT Id, f1__c, f2__c FROM InvoiceStatement__c WHERE {F3_F4}");
    let mut row = Row::new("Referenced", &query);
    assert_eq!(row.told(), ["f1", "f2", "f3", "f4"]);
    row.says_nothing_of_the_other();
}

#[test]
fn referenced_select_id_where_f3_and_f4() {
    let mut row = Row::new("Referenced", &format!("SELECT Id FROM InvoiceStatement__c WHERE {F3_F4}"));
    assert_eq!(row.told(), ["f3", "f4"]);
    row.says_nothing_of_the_other();
}

#[test]
fn referenced_select_f1_f2_where_id_in() {
    let query = format!("SELECT Id, f1__c, f2__c FROM InvoiceStatement__c WHERE {ID_IN}");
    let mut row = Row::new("Referenced", &query);
    assert_eq!(row.told(), ["f1", "f2"]);
    row.says_nothing_of_the_other();
}

#[test]
fn referenced_select_f1_f2_where_f3_f4_and_id_in() {
    let query = format!("SELECT Id, f1__c, f2__c FROM InvoiceStatement__c WHERE {F3_F4} AND {ID_IN}");
    let mut row = Row::new("Referenced", &query);
    assert_eq!(row.told(), ["f1", "f2", "f3", "f4"]);
    row.says_nothing_of_the_other();
}

#[test]
fn referenced_needs_a_field_besides_id() {
    let refuse = |query: &str| Scene::new().topic(query, &json!({"NotifyForFields": "Referenced"})).is_err();
    assert!(refuse("SELECT Id FROM InvoiceStatement__c"));
    assert!(refuse("SELECT Id FROM InvoiceStatement__c WHERE Id != null"));
    assert!(!refuse("SELECT Id FROM InvoiceStatement__c WHERE f1__c != null"));
}

#[test]
fn select_create() {
    creates_as_tabled("Select");
}

#[test]
fn select_select_f1_f2_f3() {
    let mut row = Row::new("Select", "SELECT Id, f1__c, f2__c, f3__c FROM InvoiceStatement__c");
    assert_eq!(row.told(), ["f1", "f2", "f3"]);
}

#[test]
fn select_select_f1_f2_where_f3_and_f4() {
    let query = format!("SELECT Id, f1__c, f2__c FROM InvoiceStatement__c WHERE {F3_F4}");
    let mut row = Row::new("Select", &query);
    assert_eq!(row.told(), ["f1", "f2"]);
    row.says_nothing_of_the_other();
}

#[test]
fn select_select_f1_f2_where_id_in() {
    let mut row =
        Row::new("Select", &format!("SELECT Id, f1__c, f2__c FROM InvoiceStatement__c WHERE {ID_IN}"));
    assert_eq!(row.told(), ["f1", "f2"]);
    row.says_nothing_of_the_other();
}

#[test]
fn select_select_f1_f2_where_f3_f4_and_id_in() {
    let query = format!("SELECT Id, f1__c, f2__c FROM InvoiceStatement__c WHERE {F3_F4} AND {ID_IN}");
    let mut row = Row::new("Select", &query);
    assert_eq!(row.told(), ["f1", "f2"]);
    row.says_nothing_of_the_other();
}

#[test]
fn select_needs_a_selected_field_besides_id() {
    let query = "SELECT Id FROM InvoiceStatement__c WHERE f1__c != null";
    assert!(Scene::new().topic(query, &json!({"NotifyForFields": "Select"})).is_err());
}

#[test]
fn where_create() {
    creates_as_tabled("Where");
}

#[test]
fn where_select_f1_f2_where_f3_and_f4() {
    let query = format!("SELECT Id, f1__c, f2__c FROM InvoiceStatement__c WHERE {F3_F4}");
    let mut row = Row::new("Where", &query);
    assert_eq!(row.told(), ["f3", "f4"]);
    row.says_nothing_of_the_other();
}

#[test]
fn where_select_id_where_f3_and_f4() {
    let mut row = Row::new("Where", &format!("SELECT Id FROM InvoiceStatement__c WHERE {F3_F4}"));
    assert_eq!(row.told(), ["f3", "f4"]);
    row.says_nothing_of_the_other();
}

#[test]
fn where_select_f1_f2_where_f3_f4_and_id_in() {
    let query = format!("SELECT Id, f1__c, f2__c FROM InvoiceStatement__c WHERE {F3_F4} AND {ID_IN}");
    let mut row = Row::new("Where", &query);
    assert_eq!(row.told(), ["f3", "f4"]);
    row.says_nothing_of_the_other();
}

#[test]
fn where_needs_a_filtered_field_besides_id() {
    for query in [
        "SELECT Id, f1__c FROM InvoiceStatement__c",
        "SELECT Id, f1__c FROM InvoiceStatement__c WHERE Id != null",
    ] {
        assert!(Scene::new().topic(query, &json!({"NotifyForFields": "Where"})).is_err(), "{query}");
    }
}

#[test]
fn a_record_that_comes_to_meet_the_conditions_is_told_of_and_one_that_leaves_them_is_not() {
    let query = format!("SELECT Id, f1__c FROM InvoiceStatement__c WHERE {F3_F4}");
    let mut row = Row::new("Referenced", &query);
    let (met, unmet) = (row.met.clone(), row.unmet.clone());
    assert_eq!(row.change(&unmet, "f3", "abc"), [""; 0]);
    assert_eq!(row.change(&unmet, "f4", "xyz"), ["/topic/T updated Id,f1__c"]);
    assert_eq!(row.change(&met, "f3", "gone"), [""; 0]);
}
