import Environment
import Primitives

/// Brings together what the fronts have counted, each time that somebody wants to see it. Fronts count for themselves
/// in between, so a request or a chunk costs nothing here.
///
/// A front that does not answer in time is taken to be where it was when it last did: one that hangs must not hide the
/// page that shows it.
final class FrontSurvey {
    private static let patience = Duration.seconds(1)

    private unowned let coordinator: Coordinator
    /// Asks a front, which answers by ``answered(_:_:)``.
    private let ask: (_ front: Int) -> Void
    private var latest: [FrontCounts]
    /// A question is on its way; a front that hangs is not asked again, and one that does not serve yet not at all: its
    /// first answer comes unasked, when it begins.
    private var isAsked: [Bool]
    private var waiting: [ObjectIdentifier: Waiting] = [:]

    init(coordinator: Coordinator, frontCount: Int, ask: @escaping (_ front: Int) -> Void) {
        self.coordinator = coordinator
        self.ask = ask
        latest = Array(repeating: FrontCounts(), count: frontCount)
        isAsked = Array(repeating: true, count: frontCount)
    }

    /// Answers with the metrics page when every front has said what it counts, or its time is over.
    func answerWithMetrics(on exchange: any Exchange) {
        let environment = coordinator.environment
        let one = Waiting(for: Set(latest.indices), exchange, self)
        one.timer = environment.schedule(at: environment.now + Self.patience) { [unowned self] in finish(one) }
        waiting[ObjectIdentifier(one)] = one
        exchange.owner = one
        for front in latest.indices where !isAsked[front] {
            isAsked[front] = true
            ask(front)
        }
    }

    func answered(_ front: Int, _ counts: FrontCounts) {
        guard latest.indices.contains(front) else { return }
        latest[front] = counts
        isAsked[front] = false
        for one in waiting.values {
            one.fronts.remove(front)
            if one.fronts.isEmpty { finish(one) }
        }
    }

    private func finish(_ one: Waiting) {
        guard forget(one) else { return }
        one.exchange.owner = nil
        var totals = FrontTotals(silentCount: one.fronts.count)
        for counts in latest { totals.counts.add(counts) }
        coordinator.respondWithMetrics(one.exchange, totals)
    }

    @discardableResult private func forget(_ one: Waiting) -> Bool {
        if let timer = one.timer { coordinator.environment.cancel(timer) }
        return waiting.removeValue(forKey: ObjectIdentifier(one)) != nil
    }

    /// One page that is asked for.
    private final class Waiting: ExchangeOwner {
        /// Those that have not answered yet.
        var fronts: Set<Int>
        let exchange: any Exchange
        var timer: TimerID?
        private unowned let survey: FrontSurvey

        init(for fronts: Set<Int>, _ exchange: any Exchange, _ survey: FrontSurvey) {
            self.fronts = fronts
            self.exchange = exchange
            self.survey = survey
        }

        func exchangeAbandoned() { survey.forget(self) }
    }
}
