/// The version of this program (semver.org), as `trunkline version`, `/healthz` and the provider's hello tell it.
let applicationVersion = "0.1.0"
