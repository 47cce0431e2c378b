//! The OpenAPI 3.1 description of the interface.

/// The description, with `{base}` for the base path and `{version}` for the version. Tests drive every operation in it
/// and check the responses against its schemas.
const TEMPLATE: &str = include_str!("openapi.json");

/// The description of a server with this base path.
pub fn openapi(base: &str) -> String {
    TEMPLATE.replace("{base}", base).replace("{version}", env!("CARGO_PKG_VERSION"))
}
