import math

class Reward:
    def __init__(self, verbose=False):
        self.first_racingpoint_index = None
        self.verbose = verbose

    def reward_function(self, params):
        ################## HELPER FUNCTIONS ###################
        def dist_2_points(x1, x2, y1, y2):
            return abs(abs(x1-x2)**2 + abs(y1-y2)**2)**0.5

        def closest_2_racing_points_index(racing_coords, car_coords):
            distances = []
            for i in range(len(racing_coords)):
                distance = dist_2_points(x1=racing_coords[i][0], x2=car_coords[0],
                                         y1=racing_coords[i][1], y2=car_coords[1])
                distances.append(distance)
            closest_index = distances.index(min(distances))
            distances_no_closest = distances.copy()
            distances_no_closest[closest_index] = 999
            second_closest_index = distances_no_closest.index(
                min(distances_no_closest))
            return [closest_index, second_closest_index]

        def dist_to_racing_line(closest_coords, second_closest_coords, car_coords):
            a = abs(dist_2_points(x1=closest_coords[0],
                                  x2=second_closest_coords[0],
                                  y1=closest_coords[1],
                                  y2=second_closest_coords[1]))
            b = abs(dist_2_points(x1=car_coords[0],
                                  x2=closest_coords[0],
                                  y1=car_coords[1],
                                  y2=closest_coords[1]))
            c = abs(dist_2_points(x1=car_coords[0],
                                  x2=second_closest_coords[0],
                                  y1=car_coords[1],
                                  y2=second_closest_coords[1]))
            try:
                distance = abs(-(a**4) + 2*(a**2)*(b**2) + 2*(a**2)*(c**2) -
                               (b**4) + 2*(b**2)*(c**2) - (c**4))**0.5 / (2*a)
            except:
                distance = b
            return distance

        def next_prev_racing_point(closest_coords, second_closest_coords, car_coords, heading):
            heading_vector = [math.cos(math.radians(
                heading)), math.sin(math.radians(heading))]
            new_car_coords = [car_coords[0]+heading_vector[0],
                              car_coords[1]+heading_vector[1]]
            distance_closest_coords_new = dist_2_points(x1=new_car_coords[0],
                                                        x2=closest_coords[0],
                                                        y1=new_car_coords[1],
                                                        y2=closest_coords[1])
            distance_second_closest_coords_new = dist_2_points(x1=new_car_coords[0],
                                                               x2=second_closest_coords[0],
                                                               y1=new_car_coords[1],
                                                               y2=second_closest_coords[1])
            if distance_closest_coords_new <= distance_second_closest_coords_new:
                next_point_coords = closest_coords
                prev_point_coords = second_closest_coords
            else:
                next_point_coords = second_closest_coords
                prev_point_coords = closest_coords
            return [next_point_coords, prev_point_coords]

        def racing_direction_diff(closest_coords, second_closest_coords, car_coords, heading):
            next_point, prev_point = next_prev_racing_point(closest_coords,
                                                            second_closest_coords,
                                                            car_coords,
                                                            heading)
            track_direction = math.atan2(
                next_point[1] - prev_point[1], next_point[0] - prev_point[0])
            track_direction = math.degrees(track_direction)
            direction_diff = abs(track_direction - heading)
            if direction_diff > 180:
                direction_diff = 360 - direction_diff
            return direction_diff

        def indexes_cyclical(start, end, array_len):
            if end < start:
                end += array_len
            return [index % array_len for index in range(start, end)]

        def projected_time(first_index, closest_index, step_count, times_list):
            current_actual_time = (step_count-1) / 15
            indexes_traveled = indexes_cyclical(first_index, closest_index, len(times_list))
            current_expected_time = sum([times_list[i] for i in indexes_traveled])
            total_expected_time = sum(times_list)
            try:
                projected_time = (current_actual_time/current_expected_time) * total_expected_time
            except:
                projected_time = 9999
            return projected_time

        racing_track = [
    [6.2, 2.1, 3.2, 0.05], [6.19122, 2.15859, 3.2, 0.05106], [6.16503, 2.21728, 3.1, 0.05213], [6.12184, 2.27618, 3.0, 0.05318],
    [6.06233, 2.33539, 2.9, 0.05423], [5.98745, 2.39497, 2.9, 0.05526], [5.89835, 2.45502, 2.8, 0.05628], [5.7964, 2.51558, 2.7, 0.05728],
    [5.68313, 2.57669, 2.5, 0.05826], [5.56021, 2.63837, 2.4, 0.05922], [5.42939, 2.7006, 2.3, 0.06015], [5.2925, 2.76337, 2.2, 0.06106],
    [5.15135, 2.8266, 2.1, 0.06193], [5.00775, 2.89021, 2.0, 0.06276], [4.8634, 2.95409, 1.9, 0.06357], [4.71993, 3.01808, 1.7, 0.06433],
    [4.5788, 3.08202, 1.6, 0.06505], [4.44131, 3.14571, 1.5, 0.06573], [4.30854, 3.2089, 1.5, 0.06637], [4.18136, 3.27135, 1.4, 0.06695],
    [4.0604, 3.33278, 1.3, 0.0675], [3.94604, 3.39287, 1.2, 0.06799], [3.83841, 3.45129, 1.2, 0.06843], [3.7374, 3.50772, 1.1, 0.06881],
    [3.64267, 3.56178, 1.1, 0.06915], [3.55364, 3.6131, 1.1, 0.06943], [3.46958, 3.66131, 1.1, 0.06965], [3.38956, 3.70603, 1.1, 0.06982],
    [3.31251, 3.74686, 1.1, 0.06994], [3.2373, 3.78343, 1.2, 0.06999], [3.1627, 3.81536, 1.2, 0.06999], [3.08749, 3.8423, 1.3, 0.06994],
    [3.01044, 3.86389, 1.3, 0.06982], [2.93042, 3.87981, 1.4, 0.06965], [2.84636, 3.88976, 1.5, 0.06943], [2.75733, 3.89346, 1.6, 0.06915],
    [2.6626, 3.89066, 1.7, 0.06881], [2.56159, 3.88117, 1.8, 0.06843], [2.45396, 3.8648, 1.9, 0.06799], [2.3396, 3.84142, 2.0, 0.0675],
    [2.21864, 3.81094, 2.1, 0.06695], [2.09146, 3.77332, 2.3, 0.06637], [1.95869, 3.72857, 2.4, 0.06573], [1.8212, 3.67672, 2.5, 0.06505],
    [1.68007, 3.61787, 2.6, 0.06433], [1.5366, 3.55217, 2.7, 0.06357], [1.39225, 3.47982, 2.8, 0.06276], [1.24865, 3.40105, 2.9, 0.06193],
    [1.1075, 3.31615, 3.0, 0.06106], [0.97061, 3.22546, 3.1, 0.06015], [0.83979, 3.12935, 3.1, 0.05922], [0.71687, 3.02823, 3.2, 0.05826],
    [0.6036, 2.92257, 3.2, 0.05728], [0.50165, 2.81284, 3.3, 0.05628], [0.41255, 2.69957, 3.3, 0.05526], [0.33767, 2.58331, 3.3, 0.05423],
    [0.27816, 2.46463, 3.3, 0.05318], [0.23497, 2.34411, 3.3, 0.05213], [0.20878, 2.22237, 3.3, 0.05106], [0.2, 2.1, 3.2, 0.05],
    [0.20878, 1.97763, 3.2, 0.04894], [0.23497, 1.85589, 3.1, 0.04787], [0.27816, 1.73537, 3.0, 0.04682], [0.33767, 1.61669, 2.9, 0.04577],
    [0.41255, 1.50043, 2.9, 0.04474], [0.50165, 1.38716, 2.8, 0.04372], [0.6036, 1.27743, 2.7, 0.04272], [0.71687, 1.17177, 2.5, 0.04174],
    [0.83979, 1.07065, 2.4, 0.04078], [0.97061, 0.97454, 2.3, 0.03985], [1.1075, 0.88385, 2.2, 0.03894], [1.24865, 0.79895, 2.1, 0.03807],
    [1.39225, 0.72018, 2.0, 0.03724], [1.5366, 0.64783, 1.9, 0.03643], [1.68007, 0.58213, 1.7, 0.03567], [1.8212, 0.52328, 1.6, 0.03495],
    [1.95869, 0.47143, 1.5, 0.03427], [2.09146, 0.42668, 1.5, 0.03363], [2.21864, 0.38906, 1.4, 0.03305], [2.3396, 0.35858, 1.3, 0.0325],
    [2.45396, 0.3352, 1.2, 0.03201], [2.56159, 0.31883, 1.2, 0.03157], [2.6626, 0.30934, 1.1, 0.03119], [2.75733, 0.30654, 1.1, 0.03085],
    [2.84636, 0.31024, 1.1, 0.03057], [2.93042, 0.32019, 1.1, 0.03035], [3.01044, 0.33611, 1.1, 0.03018], [3.08749, 0.3577, 1.1, 0.03006],
    [3.1627, 0.38464, 1.2, 0.03001], [3.2373, 0.41657, 1.2, 0.03001], [3.31251, 0.45314, 1.3, 0.03006], [3.38956, 0.49397, 1.3, 0.03018],
    [3.46958, 0.53869, 1.4, 0.03035], [3.55364, 0.5869, 1.5, 0.03057], [3.64267, 0.63822, 1.6, 0.03085], [3.7374, 0.69228, 1.7, 0.03119],
    [3.83841, 0.74871, 1.8, 0.03157], [3.94604, 0.80713, 1.9, 0.03201], [4.0604, 0.86722, 2.0, 0.0325], [4.18136, 0.92865, 2.1, 0.03305],
    [4.30854, 0.9911, 2.3, 0.03363], [4.44131, 1.05429, 2.4, 0.03427], [4.5788, 1.11798, 2.5, 0.03495], [4.71993, 1.18192, 2.6, 0.03567],
    [4.8634, 1.24591, 2.7, 0.03643], [5.00775, 1.30979, 2.8, 0.03724], [5.15135, 1.3734, 2.9, 0.03807], [5.2925, 1.43663, 3.0, 0.03894],
    [5.42939, 1.4994, 3.1, 0.03985], [5.56021, 1.56163, 3.1, 0.04078], [5.68313, 1.62331, 3.2, 0.04174], [5.7964, 1.68442, 3.2, 0.04272],
    [5.89835, 1.74498, 3.3, 0.04372], [5.98745, 1.80503, 3.3, 0.04474], [6.06233, 1.86461, 3.3, 0.04577], [6.12184, 1.92382, 3.3, 0.04682],
    [6.16503, 1.98272, 3.3, 0.04787], [6.19122, 2.04141, 3.3, 0.04894],
]
        x = params['x']
        y = params['y']
        heading = params['heading']
        progress = params['progress']
        steps = params['steps']
        speed = params['speed']
        is_offtrack = params['is_offtrack']
        track_width = params['track_width']
        closest_index, second_closest_index = closest_2_racing_points_index(
            racing_track, [x, y])
        optimals = racing_track[closest_index]
        optimals_second = racing_track[second_closest_index]
        if self.verbose == True:
            self.first_racingpoint_index = 0
        if steps == 2:
            self.first_racingpoint_index = closest_index
        if self.first_racingpoint_index is None:
            self.first_racingpoint_index = closest_index
        reward = 1
        DISTANCE_MULTIPLE = 1
        dist = dist_to_racing_line(optimals[0:2], optimals_second[0:2], [x, y])
        distance_reward = max(1e-3, 1 - (dist/(track_width*0.5)))
        reward += distance_reward * DISTANCE_MULTIPLE
        SPEED_DIFF_NO_REWARD = 1
        SPEED_MULTIPLE = 2
        speed_diff = abs(optimals[2]-speed)
        if speed_diff <= SPEED_DIFF_NO_REWARD:
            speed_reward = (1 - (speed_diff/(SPEED_DIFF_NO_REWARD))**2)**2
        else:
            speed_reward = 0
        reward += speed_reward * SPEED_MULTIPLE
        REWARD_PER_STEP_FOR_FASTEST_TIME = 1
        STANDARD_TIME = 37
        FASTEST_TIME = 27
        times_list = [row[3] for row in racing_track]
        projected_time = projected_time(self.first_racingpoint_index, closest_index, steps, times_list)
        try:
            steps_prediction = projected_time * 15 + 1
            reward_prediction = max(1e-3, (-REWARD_PER_STEP_FOR_FASTEST_TIME*(FASTEST_TIME) /
                                           (STANDARD_TIME-FASTEST_TIME))*(steps_prediction-(STANDARD_TIME*15+1)))
            steps_reward = min(REWARD_PER_STEP_FOR_FASTEST_TIME, reward_prediction / steps_prediction)
        except:
            steps_reward = 0
        reward += steps_reward
        direction_diff = racing_direction_diff(
            optimals[0:2], optimals_second[0:2], [x, y], heading)
        if direction_diff > 30:
            reward = 1e-3
        speed_diff_zero = optimals[2]-speed
        if speed_diff_zero > 0.5:
            reward = 1e-3
        REWARD_FOR_FASTEST_TIME = 1500
        STANDARD_TIME = 37
        if progress == 100:
            finish_reward = max(1e-3, (-REWARD_FOR_FASTEST_TIME /
                                       (15*(STANDARD_TIME-FASTEST_TIME)))*(steps-STANDARD_TIME*15))
        else:
            finish_reward = 0
        reward += finish_reward
        if is_offtrack == True:
            reward = 1e-3
        if self.verbose == True:
            print("Closest index: %i" % closest_index)
            print("Distance to racing line: %f" % dist)
            print("=== Distance reward (w/out multiple): %f ===" % (distance_reward))
            print("Optimal speed: %f" % optimals[2])
            print("Direction difference: %f" % direction_diff)
            print("Predicted time: %f" % projected_time)
        return float(reward)

reward_object = Reward(verbose=True)

def reward_function(params):
    return reward_object.reward_function(params)
