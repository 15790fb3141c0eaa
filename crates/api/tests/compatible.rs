//! The contract only grows: `proto/segue.v1.txt` says what was ever promised, and nothing of that may
//! go away or mean something else. `SEGUE_PROMISE=1 cargo test -p segue-api --test compatible` adds
//! what is new.

use std::collections::BTreeSet;
use std::path::PathBuf;

use prost::Message;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorSet};

/// One line for each field, value and method: all that other versions rely on.
fn promises() -> BTreeSet<String> {
    let set = FileDescriptorSet::decode(segue_api::DESCRIPTORS).expect("descriptors");
    let mut lines = BTreeSet::new();
    for file in set.file.iter().filter(|file| file.package() == "segue.v1") {
        for message in &file.message_type {
            describe(message.name(), message, &mut lines);
        }
        for kind in &file.enum_type {
            describe_enum(kind.name(), kind, &mut lines);
        }
        for service in &file.service {
            for method in &service.method {
                let stream = |is: bool| if is { "stream " } else { "" };
                lines.insert(format!(
                    "rpc {}.{}({}{}) returns ({}{})",
                    service.name(),
                    method.name(),
                    stream(method.client_streaming()),
                    method.input_type(),
                    stream(method.server_streaming()),
                    method.output_type()
                ));
            }
        }
    }
    lines
}

fn describe(name: &str, message: &DescriptorProto, lines: &mut BTreeSet<String>) {
    for field in &message.field {
        let optional = if field.proto3_optional() { "optional " } else { "" };
        lines.insert(format!(
            "{name}.{} = {}: {optional}{:?} {:?} {}",
            field.name(),
            field.number(),
            field.label(),
            field.r#type(),
            field.type_name()
        ));
    }
    for nested in &message.nested_type {
        describe(&format!("{name}.{}", nested.name()), nested, lines);
    }
    for kind in &message.enum_type {
        describe_enum(&format!("{name}.{}", kind.name()), kind, lines);
    }
}

fn describe_enum(name: &str, kind: &EnumDescriptorProto, lines: &mut BTreeSet<String>) {
    for value in &kind.value {
        lines.insert(format!("{name}.{} = {}", value.name(), value.number()));
    }
}

#[test]
fn nothing_that_was_promised_is_taken_back() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../proto/segue.v1.txt");
    let now = promises();
    let promised = std::fs::read_to_string(&path).unwrap_or_default();
    let promised: BTreeSet<String> = promised.lines().map(str::to_owned).collect();
    let broken: Vec<_> = promised.difference(&now).collect();
    assert!(broken.is_empty(), "other versions rely on these: {broken:#?}");
    if std::env::var_os("SEGUE_PROMISE").is_some() {
        let text: String = now.iter().map(|line| format!("{line}\n")).collect();
        return std::fs::write(&path, text).expect("written");
    }
    let new: Vec<_> = now.difference(&promised).collect();
    assert!(new.is_empty(), "not promised yet; run with SEGUE_PROMISE=1: {new:#?}");
}
