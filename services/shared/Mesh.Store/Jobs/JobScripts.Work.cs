namespace Mesh.Store.Jobs;

/// <content>What workers do.</content>
internal static partial class JobScripts
{
    /// <summary>4: worker, 5: lease in milliseconds, 6: most deliveries. Answers token and job, or nothing.</summary>
    public const string Claim = Shared + """
        local worker, lease, most = ARGV[4], ARGV[5], tonumber(ARGV[6])

        local function deliver(id, entry, reason)
          local token = redis.call('HINCRBY', job(id), 'token', 1)
          redis.call('HINCRBY', job(id), 'deliveries', 1)
          set(id, 'worker', worker, 'entry', entry, 'wish', '')
          redis.call('HSETNX', job(id), 'started', NOW)
          enter(id, 'running', reason, worker)
          local parent = get(id, 'parent')
          if parent ~= '' then settle(parent) end
          return { token, redis.call('HGETALL', job(id)) }
        end

        -- A job that a worker was given before.
        local function redeliver(stream, entry, id)
          if get(id, 'entry') ~= entry then
            redis.call('XACK', stream, G, entry)
            redis.call('XDEL', stream, entry)
            return nil
          end
          local lost, wish = get(id, 'worker'), get(id, 'wish')
          if wish == 'cancel' then finish(id, 'cancelled') return nil end
          if wish == 'pause' then pause(id) return nil end
          if lost ~= '' then set(id, 'error', 'the worker ' .. lost .. ' was lost') end
          if tonumber(get(id, 'deliveries')) >= most then
            local reason = 'given up after ' .. most .. ' tries; the last: ' .. get(id, 'error')
            redis.call('XADD', P .. 'dead', 'MAXLEN', CAP, '*', 'id', id, 'error', reason)
            finish(id, 'failed', reason, lost)
            return nil
          end
          return deliver(id, entry, get(id, 'error'))
        end

        for _, q in ipairs({ 'high', 'normal', 'low' }) do
          local stream = P .. 'queue:' .. q
          redis.pcall('XGROUP', 'CREATE', stream, G, '0', 'MKSTREAM')
          local cursor = '0-0'
          repeat
            local lapsed = redis.call('XAUTOCLAIM', stream, G, C, lease, cursor, 'COUNT', 1)
            cursor = lapsed[1]
            for _, x in ipairs(lapsed[2]) do
              local taken = x and redeliver(stream, x[1], x[2][2])
              if taken then return taken end
            end
          until cursor == '0-0'
          while true do
            local new = redis.call('XREADGROUP', 'GROUP', G, C, 'COUNT', 1, 'STREAMS', stream, '>')
            if not new then break end
            local x = new[1][2][1]
            if get(x[2][2], 'entry') == x[1] then return deliver(x[2][2], x[1], '') end
            redis.call('XACK', stream, G, x[1])
            redis.call('XDEL', stream, x[1])
          end
        end
        return false
        """;

    /// <summary>4: id, 5: token. Answers the wish, or nothing where the lease is lost.</summary>
    public const string Renew = Shared + """
        local id = ARGV[4]
        if not owned(id, ARGV[5]) then return false end
        redis.call('XCLAIM', queue(id), G, C, 0, get(id, 'entry'), 'JUSTID')
        return { get(id, 'wish') }
        """;

    /// <summary>4: id, 5: token, 6: words, 7: progress or empty. Answers whether they were taken.</summary>
    public const string Tell = Shared + """
        local id = ARGV[4]
        if not owned(id, ARGV[5]) then return 0 end
        if ARGV[7] ~= '' then set(id, 'progress', ARGV[7]) end
        tell(id, 'body', ARGV[6])
        return 1
        """;

    /// <summary>4: id, 5: token, 6: worker, 7: what it made, 8: what the whole is where this is its last part. Answers whether it was taken; a second time too.</summary>
    public const string Complete = Shared + """
        local id = ARGV[4]
        if get(id, 'token') == ARGV[5] and get(id, 'state') == 'succeeded' then return 1 end
        if not owned(id, ARGV[5]) then return 0 end
        set(id, 'result', ARGV[7])
        local parent = get(id, 'parent')
        if parent ~= '' then set(parent, 'result', ARGV[8]) end
        finish(id, 'succeeded', '', ARGV[6])
        if parent ~= '' and get(parent, 'state') ~= 'succeeded' then set(parent, 'result', '') end
        return 1
        """;

    /// <summary>4: id, 5: token, 6: worker, 7: reason. Answers whether it was taken; a second time too.</summary>
    public const string Fail = Shared + """
        local id = ARGV[4]
        if get(id, 'token') == ARGV[5] and get(id, 'state') == 'failed' then return 1 end
        if not owned(id, ARGV[5]) then return 0 end
        finish(id, 'failed', ARGV[7], ARGV[6])
        return 1
        """;

    /// <summary>4: id, 5: token, 6: worker, 7: lease in milliseconds, 8: reason, empty where the worker is not at fault, 9: milliseconds until it may be taken again. Answers whether it was taken.</summary>
    public const string Release = Shared + """
        local id = ARGV[4]
        if not owned(id, ARGV[5]) then return 0 end
        local wish = get(id, 'wish')
        if wish == 'cancel' then finish(id, 'cancelled', '', ARGV[6]) return 1 end
        if wish == 'pause' then pause(id) return 1 end
        if ARGV[8] == '' then redis.call('HINCRBY', job(id), 'deliveries', -1) else set(id, 'error', ARGV[8]) end
        release(id, ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[9]))
        return 1
        """;
}
