//! The description of the interface for machines: OpenAPI 3.1.

/// The description, with `{base}` for the base path and `{version}` for ours. Tests drive every operation in it and
/// check the answers against its schemas.
const TEMPLATE: &str = include_str!("openapi.json");

/// The description of a server with that base path.
pub fn openapi(base: &str) -> String {
    TEMPLATE.replace("{base}", base).replace("{version}", env!("CARGO_PKG_VERSION"))
}
