import JSON
import Primitives
import Testing

@testable import trunkline

@Suite struct PoolReportTests {
    private static func report(_ json: String) throws -> PoolReport {
        let parser = JSONParser()
        return try withByteView(json) { PoolReport(try parser.parse(copying: $0)) }
    }

    @Test func aPoolIsATable() throws {
        let report = try Self.report(
            """
            {"pool":[
              {"provider_id":"m4","model_id":"qwen","state":"ready","tier":"pinned","active_requests":1,
               "max_concurrency":2,"throughput_tps_estimate":19.84,"write_buffer_depth":0,
               "last_heartbeat_age_s":12.7,"requests_completed":41,"requests_failed":2,"routing_eligible":true},
              {"provider_id":"a","model_id":"a-much-longer-name","state":"draining","tier":"provisional"}],
             "summary":{"total_slots":2,"free_slots":1,"ready":1}}
            """)
        #expect(
            report.text == """
                PROVIDER  MODEL               STATE     TIER         ACTIVE  TOK/S  QUEUED  HEARTBEAT  DONE  FAILED  ROUTABLE
                a         a-much-longer-name  draining  provisional     0/0    0.0       0     0s ago     0       0  no
                m4        qwen                ready     pinned          1/2   19.8       0    12s ago    41       2  yes
                2 providers, 1 ready, 1 of 2 slots free

                """)
    }

    @Test(arguments: ["{}", "{\"pool\":[]}", "[]", "{\"pool\":7}"])
    func anythingElseIsAnEmptyPool(_ json: String) throws {
        #expect(try Self.report(json).text.hasPrefix("No provider is connected."))
    }

    @Test func whatProvidersSayCannotDriveTheTerminal() throws {
        let report = try Self.report(
            #"{"pool":[{"provider_id":"x","model_id":"a\u001b]0;title\u0007b\n\#(String(repeating: "c", count: 60))","last_heartbeat_age_s":1e300,"throughput_tps_estimate":1e300}]}"#
        )
        #expect(!report.text.contains("\u{1B}"))
        #expect(report.text.contains("a]0;titleb" + String(repeating: "c", count: 33) + "…"))
        #expect(report.text.split(separator: "\n").count == 3)
    }
}
