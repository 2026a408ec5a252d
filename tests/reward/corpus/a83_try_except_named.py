def reward_function(params):
    try:
        r = params['progress'] / (params['steps'] - 5)
    except ZeroDivisionError as err:
        print("oops", err)
        r = 0.0
    except Exception as exc:
        print(str(exc))
        r = -1.0
    finally:
        pass
    return r
