import MQTTTransport
import Testing

@Suite struct ReconnectPolicyTests {
    typealias Policy = ReconnectPolicy<TestInstant>

    /// How long the policy wants to wait, from `now`.
    static func wait(_ action: Policy.Action, from now: TestInstant) -> Duration? {
        if case .wait(let until) = action { now.duration(to: until) } else { nil }
    }

    @Test func `the first attempt is made at once`() {
        var policy = Policy(limits: MQTTLimits())
        #expect(policy.started() == .connect)
        #expect(policy.breaker == .closed)
    }

    @Test func `nothing is tried before the wait is over`() throws {
        var policy = Policy(limits: MQTTLimits())
        var random = SplitMix64(state: 1)
        let now = TestInstant()
        _ = policy.started()
        let action = policy.failed(now: now, random: &random)
        let duration = try #require(Self.wait(action, from: now))
        let almost = now.advanced(by: duration - .nanoseconds(1))
        #expect(policy.elapsed(now: almost) == action)
        #expect(policy.elapsed(now: now.advanced(by: duration)) == .connect)
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `the n-th wait is within base times two to the n, and within the cap`(seed: UInt64) throws
    {
        var limits = MQTTLimits()
        limits.breakerThreshold = 1000
        var policy = Policy(limits: limits)
        var random = SplitMix64(state: seed)
        var now = TestInstant()
        var ceiling = limits.backoffBase
        _ = policy.started()
        for failure in 1...40 {
            let duration = try #require(
                Self.wait(policy.failed(now: now, random: &random), from: now))
            #expect(
                .zero <= duration && duration <= min(ceiling, limits.backoffCap),
                "failure \(failure)")
            now = now.advanced(by: duration)
            #expect(policy.elapsed(now: now) == .connect)
            ceiling = ceiling * 2
        }
    }

    @Test func `the jitter is full: waits fill the whole range`() throws {
        let base = MQTTLimits().backoffBase
        var tenths: Set<Int> = []
        for seed in 0..<400 as Range<UInt64> {
            var policy = Policy(limits: MQTTLimits())
            var random = SplitMix64(state: seed)
            _ = policy.started()
            let action = policy.failed(now: TestInstant(), random: &random)
            tenths.insert(Int(try #require(Self.wait(action, from: TestInstant())) / base * 10))
        }
        #expect(tenths.isSuperset(of: 0..<10))
    }

    @Test(arguments: 0..<50 as Range<UInt64>)
    func `at the threshold the breaker opens, and one probe at a time closes it or opens it again`(
        seed: UInt64
    ) throws {
        let limits = MQTTLimits()
        var policy = Policy(limits: limits)
        var random = SplitMix64(state: seed)
        var now = TestInstant()
        _ = policy.started()
        for failure in 1...(limits.breakerThreshold + 3) {
            let isOpen = failure >= limits.breakerThreshold
            let duration = try #require(
                Self.wait(policy.failed(now: now, random: &random), from: now))
            #expect(policy.breaker == (isOpen ? .open : .closed))
            if isOpen { #expect(limits.breakerPause...(limits.breakerPause * 2) ~= duration) }
            now = now.advanced(by: duration)
            _ = policy.elapsed(now: now)
            #expect(policy.breaker == (isOpen ? .halfOpen : .closed))
        }
        policy.connected(now: now)
        #expect(policy.breaker == .halfOpen)
        policy.stillConnected(now: now.advanced(by: limits.stableAfter))
        #expect(policy.breaker == .closed)
    }

    @Test(arguments: 0..<50 as Range<UInt64>)
    func `a connection that lasted starts the backoff anew`(seed: UInt64) throws {
        let limits = MQTTLimits()
        var policy = Policy(limits: limits)
        var random = SplitMix64(state: seed)
        var now = TestInstant()
        _ = policy.started()
        for _ in 1..<limits.breakerThreshold {
            now = now.advanced(
                by: try #require(Self.wait(policy.failed(now: now, random: &random), from: now)))
            _ = policy.elapsed(now: now)
        }
        policy.connected(now: now)
        now = now.advanced(by: limits.stableAfter)
        let duration = try #require(Self.wait(policy.failed(now: now, random: &random), from: now))
        #expect(duration <= limits.backoffBase)
    }

    @Test func `connections that do not last count as failures, until the breaker opens`() {
        let limits = MQTTLimits()
        var policy = Policy(limits: limits)
        var random = SplitMix64(state: 7)
        var now = TestInstant()
        _ = policy.started()
        for _ in 1...limits.breakerThreshold {
            policy.connected(now: now)
            now = now.advanced(by: limits.stableAfter - .nanoseconds(1))
            guard case .wait(let until) = policy.failed(now: now, random: &random) else { continue }
            if policy.breaker == .open { return }
            now = until
            _ = policy.elapsed(now: now)
        }
        Issue.record("the breaker never opened")
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `whatever happens, attempts are at most as many as waits allow`(seed: UInt64) throws {
        let limits = MQTTLimits()
        var policy = Policy(limits: limits)
        var random = SplitMix64(state: seed)
        var now = TestInstant()
        var action = policy.started()
        for _ in 0..<300 {
            switch action {
            case .connect:
                if Bool.random(using: &random) {
                    policy.connected(now: now)
                    now = now.advanced(by: .seconds(Int64.random(in: 0...20, using: &random)))
                }
                action = policy.failed(now: now, random: &random)
                let duration = try #require(Self.wait(action, from: now), "no wait after a failure")
                #expect(.zero...(limits.breakerPause * 2) ~= duration)
            case .wait(let until):
                now = now.advanced(by: .seconds(Int64.random(in: 0...60, using: &random)))
                action = policy.elapsed(now: now)
                #expect((action == .connect) == (now >= until))
            }
        }
    }

    @Test func `a failure without an attempt stops the process`() async {
        await #expect(processExitsWith: .failure) {
            var policy = ReconnectPolicy<ContinuousClock.Instant>(limits: MQTTLimits())
            var random = SystemRandomNumberGenerator()
            _ = policy.failed(now: .now, random: &random)
        }
    }
}
