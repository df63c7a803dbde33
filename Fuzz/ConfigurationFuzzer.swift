import Configuration
import Primitives

// One entry for libFuzzer, built as Fuzz/run says: any file is either a configuration or a list of problems with it.

private let secret = "kept-back-7f3a"

private func variable(_ name: String) -> String? { name == "KEY" ? secret : nil }

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzConfiguration(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let text = ByteView(base: start, count: count).array
    do throws(ConfigurationError) {
        let configuration = try CoordinatorConfiguration.parse(text, file: "coordinator.yaml", environment: variable)
        precondition(!configuration.auth.operatorKey.isEmpty, "a configuration without a key was accepted")
        precondition(0...65_535 ~= configuration.listen.buyerPort, "a port is out of range")
    } catch {
        precondition(!error.problems.isEmpty && !error.description.isEmpty, "refused without a reason")
        // Unless the file itself spells it, as an unknown key for instance.
        precondition(
            !error.description.contains(secret) || String(decoding: text, as: UTF8.self).contains(secret),
            "a secret stands in a message")
    }
    return 0
}
