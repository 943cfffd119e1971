//! Platform events and change data capture: subscribed, replayed and ordered like the others, with their own ids and times.

use serde_json::{Value, json};

use crate::scene::Scene;
use crate::support::{json as parsed, until};

const ORDERS: &str = "/event/Order__e";
const CHANGES: &str = "/data/ChangeEvents";

fn uuid(n: u64) -> String {
    format!("e981b488-81f3-4fcc-bd6f-f7033c9d7a{n:02}")
}

/// Created in the `n`th second of a minute.
fn order(n: u64) -> Value {
    json!({
        "schema": "s",
        "payload": {"CreatedDate": format!("2024-05-06T07:08:{n:02}.500Z"), "n__c": n},
        "event": {"EventUuid": uuid(n)},
    })
}

fn change(n: u64) -> Value {
    let header = json!({"entityName": "Account", "commitTimestamp": 1_714_979_280_500_u64 + n * 1000, "changeType": "UPDATE"});
    json!({"schema": "s", "payload": {"ChangeEventHeader": header, "n__c": n}, "event": {"EventUuid": uuid(n + 50)}})
}

impl Scene {
    fn publish_data(&self, channel: &str, data: &Value) {
        self.emulator.post("publish", &json!({"channel": channel, "data": data}));
    }

    /// Waits for so many records of a channel.
    fn records(&self, file: &str, count: usize) -> Vec<Value> {
        let lines = until(file, || Some(self.place.lines(file)).filter(|lines| lines.len() >= count));
        lines.iter().map(|line| parsed(line)).collect()
    }
}

#[test]
fn platform_and_change_events_are_replayed_and_ordered_with_their_ids_and_times() {
    let scene = Scene::start(&[]);
    let channels =
        [ORDERS, CHANGES].map(|name| format!("{{ name = {name:?}, replay = \"all\", order = \"1s\" }}"));
    let config = scene.config("", &scene.login("jwt")).replacen("\"/topic/A\"", &channels.join(", "), 1);
    let config = config.replacen("gap_records", "format = \"cloudevents\"\ngap_records", 1);
    let publish = |numbers: &[u64]| {
        for n in numbers {
            scene.publish_data(ORDERS, &order(*n));
            scene.publish_data(CHANGES, &change(*n));
        }
    };
    publish(&[2, 1]);
    let daemon = scene.run(&config);
    scene.records("out/event.Order__e.jsonl", 2);
    scene.records("out/data.ChangeEvents.jsonl", 2);
    scene.stop(daemon);
    publish(&[4, 3]);
    let daemon = scene.run(&config);
    for (file, offset) in [("out/event.Order__e.jsonl", 0), ("out/data.ChangeEvents.jsonl", 50)] {
        let records = scene.records(file, 4);
        let told: Vec<_> = records.iter().map(|one| (one["id"].clone(), one["time"].clone())).collect();
        let wanted =
            [1, 2, 3, 4].map(|n| (json!(uuid(n + offset)), json!(format!("2024-05-06T07:08:{n:02}.500Z"))));
        assert_eq!(told, wanted, "{file}");
    }
    scene.stop(daemon);
}
