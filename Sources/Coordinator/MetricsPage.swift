import Environment
import HTTPCodec
import Pool
import Primitives

extension Coordinator {
    /// Answers `GET /metrics`, with all shards in it.
    func respondWithMetrics(_ exchange: any Exchange) {
        if let hub {
            hub.survey.answerWithMetrics(on: exchange)
        } else {
            respondWithMetrics(exchange, FrontTotals())
        }
    }

    func respondWithMetrics(_ exchange: any Exchange, _ fronts: FrontTotals) {
        var page = PrometheusText()
        writeMetrics(fronts, to: &page)
        let fields: ResponseFields = ["Content-Type": "text/plain; version=0.0.4; charset=utf-8"]
        exchange.respond(status: 200, fields: fields, body: page.queue.view)
    }

    /// What this shard, a front, adds to the page.
    var frontCounts: FrontCounts {
        var counts = FrontCounts()
        counts.metrics = metrics
        counts.driver = environment.statistics
        return counts
    }

    /// No label names a provider or a buyer: their number has no bound.
    private func writeMetrics(_ fronts: FrontTotals, to page: inout PrometheusText) {
        var metrics = metrics
        metrics.add(fronts.counts.metrics)
        var driver = environment.statistics
        driver.add(fronts.counts.driver)
        writeRequestMetrics(metrics, to: &page)
        writeRelayMetrics(metrics, to: &page)
        writeLinkMetrics(metrics, to: &page)
        writePoolMetrics(to: &page)
        writeShardMetrics(metrics, fronts, to: &page)
        writeDriverMetrics(driver, to: &page)
        writeStorageMetrics(to: &page)
    }

    private func writeRequestMetrics(_ metrics: CoordinatorMetrics, to page: inout PrometheusText) {
        page.family(
            "trunkline_requests_total", .counter,
            "Chat completions that ended, by model and HTTP status (499: the buyer left; model `unknown`: nobody has offered "
                + "it).")
        for (key, count) in metrics.requestsByModelAndStatus.sorted(by: { $0.key < $1.key }) {
            page.sample([("model", key.model), ("status", String(key.status))], count)
        }
        page.family(
            "trunkline_http_refusals_total", .counter,
            "HTTP requests refused as such (malformed, no such path, wrong key, too big, too slow), by status.")
        for (status, count) in metrics.httpRefusals.sorted(by: { $0.key < $1.key }) {
            page.sample([("status", String(status))], count)
        }
        page.gauge("trunkline_requests_in_flight", "Requests that a provider works on.", requests.count)
        page.histogram(
            "trunkline_time_to_first_byte_seconds", "From the request to the first chunk of its answer.",
            metrics.timeToFirstChunk)
        page.histogram(
            "trunkline_inter_chunk_gap_seconds", "Between two chunks of one answer.", metrics.interChunkGap)
        page.histogram(
            "trunkline_request_duration_seconds", "From the request to the end of its answer.", metrics.requestDuration)
        page.histogram(
            "trunkline_dispatch_overhead_seconds",
            "From the complete request to the message to the provider, without preflights' waiting.",
            metrics.dispatchOverhead)
        page.counter(
            "trunkline_requests_retried_total", "Requests passed on to another provider.", metrics.requestsRetried)
        page.counter(
            "trunkline_requests_forwarded_total", "Requests sent to a provider's endpoint over HTTP.",
            metrics.requestsForwarded)
        page.counter("trunkline_preflights_total", "Preflights sent.", metrics.preflightsSent)
        page.counter(
            "trunkline_preflights_failed_total", "Preflights refused or not answered in time.", metrics.preflightsFailed
        )
        page.family("trunkline_tokens_total", .counter, "Tokens by kind, as far as providers reported them.")
        page.sample([("kind", "prompt")], metrics.promptTokens)
        page.sample([("kind", "completion")], metrics.completionTokens)
    }

    private func writeRelayMetrics(_ metrics: CoordinatorMetrics, to page: inout PrometheusText) {
        page.counter("trunkline_chunks_relayed_total", "Chunks passed on to buyers.", metrics.chunksRelayed)
        page.counter(
            "trunkline_chunks_unknown_total", "Chunks and ends for requests that are over or never were.",
            metrics.chunksUnknown)
        page.counter(
            "trunkline_chunks_ignored_total", "Duplicate chunks, and chunks after a cancellation.",
            metrics.chunksIgnored)
        page.counter(
            "trunkline_chunk_count_mismatches_total", "Ends whose chunks_sent is not what came.",
            metrics.chunkCountMismatches)
        page.counter("trunkline_cancellations_total", "Requests that were cancelled.", metrics.cancellations)
        page.counter(
            "trunkline_cancellations_unanswered_total", "Cancellations that the provider did not answer in time.",
            metrics.cancellationsTimedOut)
        page.histogram(
            "trunkline_cancellation_latency_seconds", "From cancel_request to the provider's end of the answer.",
            metrics.cancellationLatency)
        page.counter(
            "trunkline_slow_buyers_dropped_total", "Buyers cut because too much waited for them.",
            metrics.slowBuyersDropped)
        page.counter(
            "trunkline_buyer_write_deadline_drops_total", "Buyers cut because a batch did not leave in time.",
            metrics.buyerWriteDeadlineDrops)
        page.gauge("trunkline_request_body_bytes", "Bytes of request bodies held in memory.", heldBodyByteCount)
    }

    private func writeLinkMetrics(_ metrics: CoordinatorMetrics, to page: inout PrometheusText) {
        page.counter(
            "trunkline_backpressure_refusals_total", "Requests refused because a provider's queue was full.",
            metrics.backpressureRefusals)
        page.counter("trunkline_pongs_sent_total", "PINGs of providers answered.", metrics.pongsSent)
        page.counter("trunkline_frame_errors_total", "WebSocket frames that broke the protocol.", metrics.frameErrors)
        page.counter(
            "trunkline_messages_ignored_total", "Messages of providers that were malformed or unknown.",
            metrics.messagesIgnored)
        page.counter(
            "trunkline_messages_not_sent_total", "Cancellations and the like for which the link had no room.",
            metrics.messagesNotSent)
        page.counter(
            "trunkline_naks_received_total", "Messages that a provider did not understand.", metrics.naksReceived)
        page.counter(
            "trunkline_write_deadline_drops_total", "Providers cut because a batch did not leave in time.",
            metrics.writeDeadlineDrops)
        page.counter(
            "trunkline_silence_drops_total", "Providers given up after too long a silence.", metrics.silenceDrops)
        page.counter("trunkline_handshakes_refused_total", "Providers that were not let in.", metrics.handshakesRefused)
        page.counter(
            "trunkline_sealed_frames_refused_total",
            "Answers of encrypted sessions that did not open, or were not sealed.", metrics.sealedFramesRefused)
        page.counter("trunkline_rekeys_total", "Encrypted sessions that got new keys in band.", metrics.rekeys)
        page.counter(
            "trunkline_rekeys_failed_total", "Encrypted sessions that ended because a rekey failed.",
            metrics.rekeysFailed)
        page.family("trunkline_close_frames_total", .counter, "WebSocket Close frames by direction and code.")
        for (code, count) in metrics.closeCodesSent.sorted(by: { $0.key < $1.key }) {
            page.sample([("direction", "sent"), ("code", String(code))], count)
        }
        for (code, count) in metrics.closeCodesReceived.sorted(by: { $0.key < $1.key }) {
            page.sample([("direction", "received"), ("code", String(code))], count)
        }
        page.gauge(
            "trunkline_unauthenticated_connections", "Upgraded connections that have not registered yet.",
            unauthenticatedConnectionCount)
    }

    private func writePoolMetrics(to page: inout PrometheusText) {
        let counts = pool.counts
        page.family("trunkline_providers", .gauge, "Providers in the pool by state.")
        for state in ProviderState.allCases { page.sample([("state", state.name.description)], counts[state]) }
        page.family("trunkline_providers_connected", .gauge, "Connected providers by tier.")
        page.sample([("tier", "pinned")], counts.connectedPinned)
        page.sample([("tier", "provisional")], counts.connectedProvisional)
        let models = pool.models
        page.family("trunkline_slots", .gauge, "Slots by model and use.")
        for model in models {
            page.sample([("model", model.name), ("use", "free")], model.freeSlots)
            page.sample([("model", model.name), ("use", "taken")], max(0, model.totalSlots - model.freeSlots))
        }
    }

    private func writeShardMetrics(
        _ metrics: CoordinatorMetrics, _ fronts: FrontTotals, to page: inout PrometheusText
    ) {
        page.gauge("trunkline_shards", "Loops that serve, a core each.", 1 + (hub?.links.count ?? 0))
        page.gauge(
            "trunkline_shards_silent",
            "Shards that did not answer for this page within a second; what they counted since they last did is not in "
                + "it.",
            fronts.silentCount)
        page.gauge(
            "trunkline_front_backlog_bytes", "Bytes on their way from the hub to the other shards.",
            hub?.backlogByteCount ?? 0)
        page.counter(
            "trunkline_front_backlog_drops_total", "Answers cut because the shard they went to was too far behind.",
            metrics.frontBacklogDrops)
    }

    private func writeStorageMetrics(to page: inout PrometheusText) {
        guard let health = journal?.health else { return }
        page.gauge(
            "trunkline_storage_degraded", "1 while the database cannot be read or written.",
            health.status == .ok ? 0 : 1)
        page.gauge("trunkline_storage_queued", "Rows that wait to be written.", health.queuedCount)
        page.counter("trunkline_storage_written_total", "Rows written.", health.writtenCount)
        page.counter("trunkline_storage_dropped_total", "Rows lost to a full queue.", health.droppedCount)
        page.counter(
            "trunkline_storage_errors_total", "Attempts to read or write the database that failed.", health.errorCount)
    }

    private func writeDriverMetrics(_ driver: DriverStatistics, to page: inout PrometheusText) {
        page.counter("trunkline_connections_accepted_total", "Connections accepted.", driver.connectionsAccepted)
        page.counter(
            "trunkline_connections_refused_total", "Connections refused for a bound or for want of descriptors.",
            driver.connectionsRefused)
        page.gauge("trunkline_connections_open", "Open connections.", driver.connectionsOpen)
        page.counter("trunkline_received_bytes_total", "Bytes read from sockets.", driver.bytesReceived)
        page.counter("trunkline_sent_bytes_total", "Bytes written to sockets.", driver.bytesSent)
        page.counter(
            "trunkline_writes_delayed_total", "Batches that a socket did not take at once.", driver.writesDelayed)
        page.histogram(
            "trunkline_loop_turn_seconds",
            "From the loop's waking to its last write: what a chunk waits at most, and the loop's lag.",
            driver.turnSeconds)
        let process = environment.processStatistics
        page.counter(
            "trunkline_log_records_dropped_total", "Log records dropped by a full queue.", process.logRecordsDropped)
        page.gauge(
            "trunkline_uptime_seconds", "Since the coordinator started.", (environment.now - startedAt).inSeconds)
        page.gauge("process_resident_memory_bytes", "Resident memory size in bytes.", process.residentByteCount)
        page.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", process.virtualByteCount)
        page.family("process_cpu_seconds_total", .counter, "Total user and system CPU time spent in seconds.")
        page.sample([], process.cpuSeconds)
        page.gauge("process_open_fds", "Number of open file descriptors.", process.openFiles)
        page.gauge("process_max_fds", "Maximum number of open file descriptors.", process.openFilesLimit)
        page.gauge(
            "process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
            process.startTimeSeconds)
    }
}
