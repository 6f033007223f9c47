namespace Mesh.Store.Jobs;

/// <summary>
/// What happens to jobs, as scripts that the server runs one at a time: each change of a job, its place in a queue, its events and its parent's
/// state happen together or not at all. The server's clock is the only one.
/// </summary>
internal static partial class JobScripts
{
    /// <summary>ARGV[1]: prefix, ARGV[2]: most events of a job, ARGV[3]: seconds that finished jobs are kept. Each script's own arguments follow from ARGV[4] on.</summary>
    private const string Shared = """
        -- Who has a job stands in the job; the group knows one consumer, so that workers that come and go leave none behind.
        local P, CAP, KEEP, G, C = ARGV[1], ARGV[2], ARGV[3], 'workers', 'all'
        local clock = redis.call('TIME')
        local NOW = string.format('%.0f', tonumber(clock[1]) * 1000000 + tonumber(clock[2]))
        local over = { succeeded = true, failed = true, cancelled = true }
        local settle, finish
        local function job(id) return P .. 'job:' .. id end
        local function get(id, name) return redis.call('HGET', job(id), name) or '' end
        local function set(id, ...) redis.call('HSET', job(id), ...) end
        local function queue(id) return P .. 'queue:' .. get(id, 'priority') end
        local function nudge(what) redis.call('PUBLISH', P .. 'nudge', what) end
        local function parts(id) return tonumber(get(id, 'shards')) or 0 end
        local function part(id, i) return id .. '-' .. i end

        local function add(id, ...)
          if redis.call('EXISTS', job(id)) == 0 then return end
          local n = redis.call('HINCRBY', job(id), 'events', 1)
          redis.call('XADD', P .. 'events:' .. id, 'MAXLEN', CAP, n .. '-1', 'at', NOW, ...)
          nudge(id)
        end

        local function tell(id, ...)
          add(id, ...)
          local parent = get(id, 'parent')
          if parent ~= '' then add(parent, 'shard', get(id, 'shard'), ...) end
        end

        local function enter(id, state, reason, worker)
          set(id, 'state', state)
          tell(id, 'state', state, 'reason', reason or '', 'worker', worker or '')
        end

        local function unqueue(id)
          local entry = get(id, 'entry')
          if entry == '' then return end
          redis.call('XACK', queue(id), G, entry)
          redis.call('XDEL', queue(id), entry)
          set(id, 'entry', '')
        end

        local function enqueue(id)
          set(id, 'entry', redis.call('XADD', queue(id), '*', 'id', id), 'wish', '')
          nudge('+')
        end

        -- The job waits again in front of all others of its priority, for whoever comes after some milliseconds.
        local function release(id, worker, lease, delay)
          set(id, 'worker', '')
          redis.call('XCLAIM', queue(id), G, C, 0, get(id, 'entry'), 'IDLE', math.max(0, lease - delay), 'JUSTID')
          enter(id, 'queued', get(id, 'error'), worker)
          local parent = get(id, 'parent')
          if parent ~= '' then settle(parent) end
          nudge('+')
        end

        finish = function(id, state, reason, worker)
          if over[get(id, 'state')] then return end
          unqueue(id)
          set(id, 'finished', NOW, 'worker', '', 'wish', '')
          if state == 'failed' then set(id, 'error', reason or '') end
          enter(id, state, reason, worker)
          redis.call('EXPIRE', job(id), KEEP)
          redis.call('EXPIRE', P .. 'events:' .. id, KEEP)
          local parent = get(id, 'parent')
          if parent ~= '' then settle(parent) else redis.call('SREM', P .. 'caller:' .. get(id, 'caller'), id) end
        end

        local function pause(id)
          unqueue(id)
          set(id, 'worker', '', 'wish', '')
          enter(id, 'paused')
          local parent = get(id, 'parent')
          if parent ~= '' then settle(parent) end
        end

        -- Brings a job or a part of one to an end, or to rest: at once where no worker has it.
        local function stop(id, wish)
          local state = get(id, 'state')
          if state == 'running' then
            if get(id, 'wish') ~= 'cancel' then set(id, 'wish', wish) nudge(id) end
          elseif wish == 'cancel' and not over[state] then finish(id, 'cancelled')
          elseif wish == 'pause' and state == 'queued' then pause(id) end
        end

        -- A split job's state follows from its parts'.
        settle = function(id)
          local state = get(id, 'state')
          if over[state] or get(id, 'settling') == '1' then return end
          local n = parts(id)
          local count, why, which = { queued = 0, running = 0, paused = 0, succeeded = 0, failed = 0, cancelled = 0 }, '', ''
          for i = 0, n - 1 do
            local s = get(part(id, i), 'state')
            count[s] = (count[s] or 0) + 1
            if s == 'failed' and why == '' then why, which = get(part(id, i), 'error'), i end
          end
          set(id, 'done', count.succeeded)
          if count.failed > 0 then
            set(id, 'settling', '1')
            for i = 0, n - 1 do stop(part(id, i), 'cancel') end
            set(id, 'settling', '')
            finish(id, 'failed', 'shard ' .. which .. ': ' .. why)
          elseif count.succeeded == n then finish(id, 'succeeded')
          elseif count.succeeded + count.cancelled == n then finish(id, 'cancelled')
          else
            local now = 'paused'
            if count.running > 0 or (count.queued > 0 and count.succeeded > 0) then now = 'running' elseif count.queued > 0 then now = 'queued' end
            if now == 'running' and get(id, 'started') == '' then set(id, 'started', NOW) end
            if now == 'paused' then set(id, 'wish', '') end
            if now ~= state then enter(id, now) end
          end
        end

        -- Whether a worker's lease holds.
        local function owned(id, token) return get(id, 'state') == 'running' and get(id, 'token') == token end

        """;

    /// <summary>4: id, 5: caller, 6: request id or empty, 7: fingerprint, 8: kind, 9: title, 10: body, 11: priority, 12: most queued, 13: most of a caller, 14: seconds that a request id holds, then the parts' bodies.</summary>
    public const string Submit = Shared + """
        local id, caller, shards = ARGV[4], ARGV[5], #ARGV - 14
        local request = P .. 'request:' .. caller .. ':' .. ARGV[6]
        if ARGV[6] ~= '' then
          local known = redis.call('GET', request)
          if known then
            local print, old = known:match('^(%S+) (%S+)$')
            if redis.call('EXISTS', job(old)) == 1 then return { print == ARGV[7] and 'existed' or 'reused', old } end
          end
        end
        local depth = 0
        for _, q in ipairs({ 'high', 'normal', 'low' }) do depth = depth + redis.call('XLEN', P .. 'queue:' .. q) end
        if depth + math.max(1, shards) > tonumber(ARGV[12]) then return { 'full', depth } end
        local mine = redis.call('SCARD', P .. 'caller:' .. caller)
        if mine >= tonumber(ARGV[13]) then return { 'quota', mine } end
        local function create(name, body)
          set(name, 'id', name, 'kind', ARGV[8], 'title', ARGV[9], 'body', body, 'caller', caller, 'priority', ARGV[11], 'state', '', 'submitted', NOW, 'token', 0, 'deliveries', 0)
        end
        create(id, ARGV[10])
        redis.call('ZADD', P .. 'index', 0, id)
        redis.call('SADD', P .. 'caller:' .. caller, id)
        if ARGV[6] ~= '' then redis.call('SET', request, ARGV[7] .. ' ' .. id, 'EX', ARGV[14]) end
        enter(id, 'queued')
        if shards == 0 then enqueue(id) end
        if shards > 0 then set(id, 'shards', shards, 'done', 0) end
        for i = 0, shards - 1 do
          local name = part(id, i)
          create(name, ARGV[15 + i])
          set(name, 'parent', id, 'shard', i, 'state', 'queued')
          enqueue(name)
        end
        return { 'made', id }
        """;

    /// <summary>4: id, 5: cancel or pause. Answers whether the job is known.</summary>
    public const string Stop = Shared + """
        local id, wish = ARGV[4], ARGV[5]
        if redis.call('EXISTS', job(id)) == 0 then return 0 end
        local n = parts(id)
        if n == 0 then stop(id, wish) return 1 end
        if over[get(id, 'state')] then return 1 end
        if get(id, 'wish') ~= 'cancel' then set(id, 'wish', wish) end
        for i = 0, n - 1 do stop(part(id, i), wish) end
        settle(id)
        return 1
        """;

    /// <summary>4: id. Answers whether the job is known.</summary>
    public const string Resume = Shared + """
        local id = ARGV[4]
        if redis.call('EXISTS', job(id)) == 0 then return 0 end
        local function resume(name)
          if get(name, 'state') == 'paused' then
            enqueue(name)
            enter(name, 'queued')
          elseif get(name, 'wish') == 'pause' then
            set(name, 'wish', '')
            nudge(name)
          end
        end
        local n = parts(id)
        if n == 0 then resume(id) return 1 end
        if over[get(id, 'state')] then return 1 end
        if get(id, 'wish') == 'pause' then set(id, 'wish', '') end
        for i = 0, n - 1 do resume(part(id, i)) end
        settle(id)
        return 1
        """;

    /// <summary>4: begin below this id, or empty; 5: most jobs; 6: states with commas around them, or empty; 7: kind, or empty. Answers where the next page begins, then jobs.</summary>
    public const string List = Shared + """
        local from, most, states, kind = ARGV[4], tonumber(ARGV[5]), ARGV[6], ARGV[7]
        local found, looked = {}, 0
        while #found < most and looked < 2000 do
          local ids = redis.call('ZREVRANGEBYLEX', P .. 'index', from == '' and '+' or '(' .. from, '-', 'LIMIT', 0, 100)
          if #ids == 0 then return { '', found } end
          for _, id in ipairs(ids) do
            from, looked = id, looked + 1
            local h = redis.call('HMGET', job(id), 'state', 'kind')
            if not h[1] then redis.call('ZREM', P .. 'index', id)
            elseif (states == '' or states:find(',' .. h[1] .. ',', 1, true)) and (kind == '' or kind == h[2]) then
              found[#found + 1] = redis.call('HGETALL', job(id))
              if #found == most then break end
            end
          end
        end
        return { from, found }
        """;
}
